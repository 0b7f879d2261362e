// Icicles and treemaps of one kind: boxes that zoom by a click or Enter, are walked with arrow keys and searched.
import { hierarchy, partition, treemap } from "d3-hierarchy";
import { select } from "d3-selection";
import { bytes, count, currentEvent, hideTip, share, showTip, toolbar } from "./words.js";

const ROW = 18;		// pixels of one level
const LEVELS = 28;	// shown below the focus
const NARROW = 1.5;	// pixels: what is narrower is not drawn
const BOXES = 3000;	// drawn at once, the largest

const KINDS = { inuse_space: "bytes in use", inuse_objects: "blocks in use", free_space: "free bytes" };
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
 * A chart of `place`: `layout(focus, width)` answers the boxes to draw, [{d, x, y, w, h}], and the height.
 * The tree is shown by show(root, format).
 */
function chart(place, layout) {
	const { bar, field, found } = toolbar(place, "search names");
	const boxes = select(place).append("div").attr("class", "chart");
	let root, focus, format = bytes, pattern = "", hits = [], hit = -1;

	const matches = d => pattern !== "" && d.data.name.toLowerCase().includes(pattern);
	const label = d => `${d.data.name}: ${format(d.value)}, ${share(d.value, root.value)} of all`;
	const lines = d => [d.data.name,
		[format(d.value), `${share(d.value, root.value)} of all`,
			focus !== root && focus.value && d.depth > focus.depth ? `${share(d.value, focus.value)} of what is shown` : ""]
			.filter(part => part).join(" · "),
		d.data.count > 1 ? `${count(d.data.count)} of them` : "",
		d.data.address ? `at ${d.data.address}` : ""];

	function draw() {
		const width = boxes.node().clientWidth;
		if (!root || !width)
			return;
		const { cells, height } = layout(focus, width);
		cells.sort((a, b) => b.w * b.h - a.w * a.h);
		cells.length = Math.min(cells.length, BOXES);
		boxes.style("height", `${height}px`);
		boxes.selectAll("button.cell").data(cells, c => c.d.id).join("button")
			.attr("type", "button").attr("tabindex", c => c.d === focus ? 0 : -1).attr("aria-label", c => label(c.d))
			.attr("class", c => `cell s-${state(c.d)}${c.d.depth < focus.depth ? " above" : ""}` +
				`${c.head ? " head" : ""}${pattern === "" ? "" : matches(c.d) ? " hit" : " miss"}`)
			.style("left", c => `${c.x}px`).style("top", c => `${c.y}px`)
			.style("width", c => `${c.w}px`).style("height", c => `${c.h}px`)
			.style("--h", c => 170 + hash(c.d.data.name) % 80)
			.style("--d", c => `${hash(c.d.data.name) / 80 % 9 - 4 | 0}%`)
			.text(c => c.w > 24 && c.h > 12 ? c.d.data.name : "")
			.on("click", c => zoom(c.d, true)).on("keydown", walk)
			.on("mousemove focus", c => showTip(currentEvent(), lines(c.d))).on("mouseleave blur", hideTip);
	}

	function take(d) {
		boxes.selectAll("button.cell").filter(c => c.d === d).node()?.focus();
	}

	function zoom(d, keep) {
		focus = d;
		hideTip();
		draw();
		if (keep)
			take(d);
	}

	function walk(c) {
		const event = currentEvent(), d = c.d;
		const siblings = d.parent ? d.parent.children : [d], at = siblings.indexOf(d);
		const to = { ArrowUp: d.parent, ArrowDown: d.children?.[0], ArrowLeft: siblings[at - 1],
			ArrowRight: siblings[at + 1], Home: siblings[0], End: siblings[siblings.length - 1] }[event.key];
		if (event.key === "Escape")
			zoom(root, true);
		else if (event.key === "Backspace")
			zoom(focus.parent ?? root, true);
		else if (event.key === "/")
			field.node().focus();
		else if (to) {
			if (!boxes.selectAll("button.cell").filter(e => e.d === to).size())
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
				sum += d.value;
			} else if (d.children)
				queue.push(...d.children);
		}
		hits.sort((a, b) => b.value - a.value);
		found.text(pattern ? `${format(sum)}, ${share(sum, root.value)}` : "");
		draw();
	}

	field.on("input", () => search(field.property("value")));
	field.on("keydown", () => {
		const event = currentEvent();
		if (event.key === "Enter" && hits.length)
			zoom(hits[hit = (hit + 1) % hits.length]);
		if (event.key === "Escape") {
			field.property("value", "");
			search("");
		}
	});
	bar.append("button").attr("type", "button").text("up").attr("title", "one level up (Backspace)")
		.on("click", () => zoom(focus.parent ?? root));
	bar.append("button").attr("type", "button").text("whole").attr("title", "show all (Escape)").on("click", () => zoom(root));
	bar.append("span").attr("class", "keys small").text("click or Enter zooms; arrows walk; / searches, Enter there: next");
	new ResizeObserver(draw).observe(boxes.node());
	return {
		bar,
		show(tree, write) {
			let id = 0;
			root = focus = tree.each(d => d.id = id++);
			format = write;
			search(field.property("value"));
		},
		zoomTo(test) {
			const d = root.descendants().find(test);
			if (d)
				zoom(d, true);
		},
	};
}

function icicle(focus, width) {
	const scale = width / (focus.x1 - focus.x0 || 1), cells = [];
	const queue = [...focus.ancestors().slice(1).map(d => [d, true]), [focus, false]];
	let deepest = focus.depth;
	while (queue.length) {
		const [d, above] = queue.pop();
		const left = above ? 0 : (d.x0 - focus.x0) * scale, right = above ? width : (d.x1 - focus.x0) * scale;
		if (right - left < NARROW)
			continue;
		deepest = Math.max(deepest, d.depth);
		cells.push({ d, x: left, y: ROW * d.depth, w: Math.max(1, right - left - 1), h: ROW - 1 });
		if (!above && d.children && d.depth < focus.depth + LEVELS)
			queue.push(...d.children.map(kid => [kid, false]));
	}
	// a deep focus keeps no more than a few rows of what is above it
	const skip = Math.max(0, focus.depth - 6) * ROW;
	for (const c of cells)
		c.y -= skip;
	return { cells: cells.filter(c => c.y >= 0), height: ROW * (deepest + 1) - skip };
}

function squares(focus, width) {
	const height = Math.max(200, Math.min(360, width / 2.5)), cells = [];
	const inner = treemap().size([width, height]).paddingOuter(2).paddingTop(d => d.children ? ROW : 2).paddingInner(2)
		.round(true)(focus.copy());
	const own = new Map(focus.descendants().map(d => [d.data, d])); // a copy shares the data alone
	inner.each(d => {
		if (d.x1 - d.x0 >= NARROW && d.y1 - d.y0 >= NARROW)
			cells.push({ d: own.get(d.data), x: d.x0, y: d.y0, w: d.x1 - d.x0, h: d.y1 - d.y0, head: Boolean(d.children) });
	});
	return { cells, height };
}

// ---- trees of columns: parent, name, amounts

function treeOf(columns, names, total) {
	const nodes = columns.parent.map((parent, i) => ({ name: names[columns.name[i]], total: total[i],
		count: columns.count?.[i], address: columns.address?.[i], kids: [] }));
	const top = { name: "all", total: 0, kids: [] };
	columns.parent.forEach((parent, i) => {
		if (!total[i])
			return;
		(parent < 0 ? top : nodes[parent]).kids.push(nodes[i]);
		if (parent < 0)
			top.total += total[i];
	});
	const tree = hierarchy(top, node => node.kids.length ? node.kids : null).each(d => d.value = d.data.total);
	return partition()(tree.sort((a, b) => b.value - a.value));
}

export function drawTree(place, columns, names) {
	const graph = chart(place, icicle);
	const kinds = columns.amounts ?? [{ type: "retained", unit: "bytes", total: columns.total }];
	const used = kinds.filter(kind => kind.total.some(n => n));
	const show = kind => graph.show(treeOf(columns, names, kind.total), kind.unit === "bytes" ? bytes : count);
	const first = used.find(kind => kind.type === columns.main) ?? used[0] ?? kinds[0];

	if (used.length > 1) {
		const choice = graph.bar.insert("select", "input").attr("aria-label", "what is shown");
		choice.selectAll("option").data(used).join("option").attr("value", (kind, i) => i).text(kind => KINDS[kind.type] ?? kind.type);
		choice.property("value", used.indexOf(first)).on("change", () => show(used[choice.property("value")]));
	}
	show(first);
	return { showAddress: address => graph.zoomTo(d => d.data.address === address) };
}

// ---- heaps

export function drawHeaps(place, data) {
	const graph = chart(place, squares);
	const choice = graph.bar.insert("select", "input").attr("aria-label", "what is shown");
	const tree = which => {
		const top = data[which].kids.length === 1 ? data[which].kids[0] : data[which];
		return hierarchy(top, node => node.kids).sum(node => node.self ?? 0).sort((a, b) => b.value - a.value);
	};
	choice.selectAll("option").data(["lists", "arenas"]).join("option").attr("value", d => d)
		.text(d => d === "lists" ? "by list of free blocks" : "by arena");
	choice.on("change", () => graph.show(tree(choice.property("value")), bytes));
	graph.show(tree("lists"), bytes);
}
