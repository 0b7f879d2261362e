// What every chart of a tree has: zoom, search, arrow keys, words under the pointer.  How boxes are laid out and drawn
// is its view's: boxes.js, flames-d3.js.
import { hierarchy, treemap } from "d3-hierarchy";
import { select } from "d3-selection";
import { boxes } from "./boxes.js";
import { flames } from "flames";
import { bytes, count, hideTip, on, share, showTip, toolbar } from "./words.js";

const KINDS = { inuse_space: "bytes in use", inuse_objects: "blocks in use", free_space: "free bytes" };
const NARROW = 1000;	// boxes that no picture has room for beside each other
const STATES = { "(lost)": "lost", "(uncollected)": "lost", "(unknown)": "own", "(free)": "free", "(other)": "own" };

// The same name has the same colour in every chart of every report: calm blues and greens.
function hash(name) {
	let h = 0;
	for (let i = 0; i < name.length; i++)
		h = (h * 31 + name.charCodeAt(i)) >>> 0;
	return h;
}

function state(d) {
	if (d.data.state)
		return d.data.state;
	return STATES[d.ancestors().slice(-2)[0].data.name] ?? "named";
}

/*
 * A chart in `place`.  A view is made with where to draw and whom to tell of a new focus:
 * show(top) takes plain nodes and answers the root of their hierarchy; zoom(d) makes it the focus and tells; resize();
 * cells() is the selection of what is drawn, its data nodes.
 */
function chart(place, view) {
	const { bar, field, found } = toolbar(place, "search names");
	const drawn = select(place).append("div").attr("class", "chart");
	const picture = view(drawn, d => {
		focus = d;
		hideTip();
		dress();
	});
	let root, focus, format = bytes, pattern = "", hits = [], hit = -1;

	const matches = d => pattern !== "" && d.data.name.toLowerCase().includes(pattern);
	const label = d => `${d.data.name}: ${format(d.data.value)}, ${share(d.data.value, root.data.value)} of all`;
	const lines = d => [d.data.name,
		[format(d.data.value), `${share(d.data.value, root.data.value)} of all`,
			focus !== root && d.depth > focus.depth ? `${share(d.data.value, focus.data.value)} of what is shown` : ""]
			.filter(part => part).join(" · "),
		d.data.count > 1 ? `${count(d.data.count)} of them` : "",
		d.data.address ? `at ${d.data.address}` : ""];

	function dress() {
		const cells = picture.cells();
		cells.attr("tabindex", d => d === focus ? 0 : -1).attr("aria-label", label)
			.style("--h", d => 170 + hash(d.data.name) % 80)
			.style("--d", d => `${hash(d.data.name) / 80 % 9 - 4 | 0}%`);
		cells.each(function (d) {
			this.classList.remove("hit", "miss");
			this.classList.add("cell", `s-${state(d)}`);
			if (pattern)
				this.classList.add(matches(d) ? "hit" : "miss");
		});
		on(cells, "keydown", walk);
		on(cells, "mousemove focus", (event, d) => showTip(event, lines(d)));
		on(cells, "mouseleave blur", hideTip);
	}

	function take(d) {
		picture.cells().filter(e => e === d).node()?.focus();
	}

	function zoom(d, keep) {
		picture.zoom(d);
		if (keep)
			take(d);
	}

	function walk(event, d) {
		const siblings = d.parent ? d.parent.children : [d], at = siblings.indexOf(d);
		const to = { ArrowUp: d.parent, ArrowDown: d.children?.[0], ArrowLeft: siblings[at - 1],
			ArrowRight: siblings[at + 1], Home: siblings[0], End: siblings[siblings.length - 1] }[event.key];
		if (event.key === "Escape")
			zoom(root, true);
		else if (event.key === "Backspace")
			zoom(focus.parent ?? root, true);
		else if (event.key === "Enter" || event.key === " ")
			zoom(d, true);
		else if (event.key === "/")
			field.node().focus();
		else if (to) {
			if (!picture.cells().filter(e => e === to).size())
				zoom(to.parent ?? root);
			take(to);
		} else
			return;
		event.preventDefault();
	}

	// How much the matches hold, each byte once.
	function search(text) {
		const queue = [root];
		let sum = 0;
		pattern = text.toLowerCase();
		hits = [];
		hit = -1;
		while (pattern && queue.length) {
			const d = queue.pop();
			if (matches(d)) {
				hits.push(d);
				sum += d.data.value;
			} else if (d.children)
				queue.push(...d.children);
		}
		hits.sort((a, b) => b.data.value - a.data.value);
		found.text(pattern ? `${format(sum)}, ${share(sum, root.data.value)}` : "");
		dress();
	}

	on(field, "input", () => search(field.property("value")));
	on(field, "keydown", event => {
		if (event.key === "Enter" && hits.length)
			zoom(hits[hit = (hit + 1) % hits.length]);
		if (event.key === "Escape") {
			field.property("value", "");
			search("");
		}
	});
	on(bar.append("button").attr("type", "button").text("up").attr("title", "one level up (Backspace)"),
		"click", () => zoom(focus.parent ?? root));
	on(bar.append("button").attr("type", "button").text("whole").attr("title", "show all (Escape)"), "click", () => zoom(root));
	bar.append("span").attr("class", "keys small").text("click or Enter: zoom · arrows: move · /: search, then Enter: next match");
	new ResizeObserver(() => {
		if (root && drawn.node().clientWidth) {
			picture.resize();
			dress();
		}
	}).observe(drawn.node());
	return {
		bar,
		show(top, write) {
			format = write;
			root = picture.show(top);
			zoom(root);
			search(field.property("value"));
		},
		zoomTo(test) {
			const d = root.descendants().find(test);
			if (d)
				zoom(d, true);
		},
	};
}

// ---- trees of columns: parent, name, amounts

/*
 * The boxes below a node, the largest first.  Those of one name that are too narrow to be drawn even where the node is
 * as wide as the picture are one box: else thousands of small blocks are nothing but blank.
 */
function together(node) {
	const wide = [], narrow = new Map();
	for (const kid of node.children) {
		if (kid.value * NARROW >= node.value)
			wide.push(kid);
		else if (narrow.has(kid.name))
			narrow.get(kid.name).push(kid);
		else
			narrow.set(kid.name, [kid]);
	}
	for (const [name, kids] of narrow) {
		const below = kids.flatMap(kid => kid.children ?? []);
		wide.push(kids.length === 1 ? kids[0] : { name, value: kids.reduce((sum, kid) => sum + kid.value, 0),
			count: kids.reduce((sum, kid) => sum + (kid.count ?? 1), 0), children: below.length ? below : undefined,
			addresses: new Set(kids.flatMap(kid => kid.addresses ? [...kid.addresses] : kid.address ?? [])) });
	}
	return wide.sort((a, b) => b.value - a.value);
}

function treeOf(columns, names, total) {
	const nodes = columns.parent.map((parent, i) => ({ name: names[columns.name[i]], value: total[i],
		count: columns.count?.[i], address: columns.address?.[i] }));
	const top = { name: "all", value: 0 };
	columns.parent.forEach((parent, i) => {
		const holder = parent < 0 ? top : nodes[parent];
		if (!total[i])
			return;
		(holder.children ??= []).push(nodes[i]);
		if (parent < 0)
			top.value += total[i];
	});
	for (const queue = [top]; queue.length;) {
		const node = queue.pop();
		if (!node.children)
			continue;
		node.children = together(node);
		for (const kid of node.children)
			queue.push(kid);
	}
	return top;
}

export function drawTree(place, columns, names) {
	const graph = chart(place, flames);
	const kinds = columns.amounts ?? [{ type: "retained", unit: "bytes", total: columns.total }];
	const used = kinds.filter(kind => kind.total.some(n => n));
	const show = kind => graph.show(treeOf(columns, names, kind.total), kind.unit === "bytes" ? bytes : count);
	const first = used.find(kind => kind.type === columns.main) ?? used[0] ?? kinds[0];

	if (used.length > 1) {
		const choice = graph.bar.insert("select", "input").attr("aria-label", "what is shown");
		choice.selectAll("option").data(used).join("option").attr("value", (kind, i) => i).text(kind => KINDS[kind.type] ?? kind.type);
		on(choice.property("value", used.indexOf(first)), "change", () => show(used[choice.property("value")]));
	}
	show(first);
	return { showAddress: address => graph.zoomTo(d => d.data.address === address || d.data.addresses?.has(address)) };
}

// ---- heaps

const ROW = 18;
const squares = boxes((focus, width) => {
	const height = Math.max(200, Math.min(360, width / 2.5));
	const own = new Map(focus.descendants().map(d => [d.data, d])); // a copy shares the data alone
	const inner = treemap().size([width, height]).paddingOuter(2).paddingTop(d => d.children ? ROW : 2).paddingInner(2)
		.round(true)(focus.copy());
	return { height, cells: inner.descendants().map(d => ({ d: own.get(d.data), x: d.x0, y: d.y0, w: d.x1 - d.x0,
		h: d.y1 - d.y0, head: Boolean(d.children) })) };
});

export function drawHeaps(place, data) {
	const graph = chart(place, squares);
	const choice = graph.bar.insert("select", "input").attr("aria-label", "what is shown");
	const show = which => {
		const top = data[which].kids.length === 1 ? data[which].kids[0] : data[which];
		const tree = hierarchy(top, node => node.kids).sum(node => node.self ?? 0).sort((a, b) => b.value - a.value);
		tree.eachAfter(d => d.data = { name: d.data.name, state: d.data.state, value: d.value,
			children: d.children?.map(kid => kid.data) });
		graph.show(tree.data, bytes);
	};
	choice.selectAll("option").data(["lists", "arenas"]).join("option").attr("value", d => d)
		.text(d => d === "lists" ? "by list of free blocks" : "by arena");
	on(choice, "change", () => show(choice.property("value")));
	show("lists");
}
