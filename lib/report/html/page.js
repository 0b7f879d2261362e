// The charts and the sorting of a report.  Tables are in the page already: without this they still read.
import { hierarchy, partition, treemap } from "d3-hierarchy";
import { select } from "d3-selection";

const ROW = 18;			// pixels of one level of a flame graph
const NARROW = 1.5;		// what is narrower is not drawn
const SMALLEST = 1 / 10000;	// of the whole: what is smaller is left out

const data = JSON.parse(document.getElementById("data").textContent);
const tip = select("body").append("div").attr("id", "tip").attr("role", "status").property("hidden", true);

function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let i = 0;
	for (; n >= 1024 && i < units.length - 1; i++)
		n /= 1024;
	return `${i ? n.toFixed(1) : n} ${units[i]}`;
}

function share(part, whole) {
	return whole ? `${(100 * part / whole).toFixed(1)}%` : "";
}

// The same name has the same colour in every chart of every report.
function hue(name) {
	let h = 0;
	for (let i = 0; i < name.length; i++)
		h = (h * 31 + name.charCodeAt(i)) >>> 0;
	return h % 360;
}

function showTip(event, text) {
	const box = event.target.getBoundingClientRect();
	const x = event.clientX ?? box.left, y = event.clientY ?? box.bottom;
	tip.text(text).property("hidden", false)
		.style("left", `${Math.min(x + 12, innerWidth - 320)}px`).style("top", `${Math.min(y + 14, innerHeight - 60)}px`);
}

function hideTip() {
	tip.property("hidden", true);
}

// ---- trees

// Samples, [value...] with their steps from the root, as nodes {name, self, kids}.
function treeOf(paths, which) {
	const root = { name: "all", self: 0, kids: new Map() };
	for (const [values, steps] of paths.samples) {
		if (!values[which])
			continue;
		let node = root;
		for (const step of steps) {
			let kid = node.kids.get(step);
			if (!kid)
				node.kids.set(step, kid = { name: paths.names[step], self: 0, kids: new Map() });
			node = kid;
		}
		node.self += values[which];
	}
	return root;
}

function laidOut(root) {
	const tree = hierarchy(root, node => node.kids instanceof Map ? [...node.kids.values()] : node.kids);
	tree.sum(node => node.self).sort((a, b) => b.value - a.value);
	return partition()(tree);
}

// ---- flame graph: the root on top, zoomed by a click or Enter, searched, walked with arrow keys

function flame(place, initial, format) {
	const chart = select(place).append("div").attr("class", "chart");
	let root = laidOut(initial), focus = root, pattern = "";

	function words(d) {
		return `${d.data.name}: ${format(d.value)}, ${share(d.value, root.value)} of all` +
			(focus !== root && d.depth >= focus.depth ? `, ${share(d.value, focus.value)} of what is shown` : "");
	}

	function matches(d) {
		return pattern !== "" && d.data.name.toLowerCase().includes(pattern);
	}

	// What lies outside the focus is not drawn, nor what is too narrow or too small to be seen.
	function visible(width) {
		const scale = width / (focus.x1 - focus.x0), out = [...focus.ancestors()];
		const queue = focus.children ? [...focus.children] : [];
		while (queue.length) {
			const d = queue.pop();
			if ((d.x1 - d.x0) * scale < NARROW || d.value < root.value * SMALLEST)
				continue;
			out.push(d);
			if (d.children)
				queue.push(...d.children);
		}
		return { nodes: out, scale };
	}

	function draw(keepFocus) {
		const width = chart.node().clientWidth, { nodes, scale } = visible(width);
		const left = d => Math.max(0, (d.x0 - focus.x0) * scale);
		const right = d => Math.min(width, (d.x1 - focus.x0) * scale);
		chart.style("height", `${ROW * (Math.max(...nodes.map(d => d.depth)) + 1)}px`);
		chart.selectAll("button.cell").data(nodes, d => key(d)).join("button")
			.attr("class", d => `cell${d.depth < focus.depth ? " above" : ""}${matches(d) ? " hit" : ""}`)
			.attr("type", "button").attr("tabindex", d => d === focus ? 0 : -1)
			.attr("aria-label", words)
			.style("left", d => `${left(d)}px`).style("width", d => `${Math.max(1, right(d) - left(d) - 1)}px`)
			.style("top", d => `${ROW * d.depth}px`).style("height", `${ROW - 1}px`)
			.style("--hue", d => hue(d.data.name))
			.text(d => right(d) - left(d) > 24 ? d.data.name : "")
			.on("click", d => zoom(d)).on("keydown", walk)
			.on("mousemove focus", d => showTip(currentEvent(), words(d))).on("mouseleave blur", hideTip);
		if (keepFocus)
			chart.selectAll("button.cell").filter(d => d === focus).node()?.focus();
	}

	let keys = new Map();
	function key(d) {
		if (!keys.has(d))
			keys.set(d, keys.size);
		return keys.get(d);
	}

	function zoom(d) {
		focus = d;
		draw(true);
	}

	function walk(d) {
		const event = currentEvent();
		const siblings = d.parent ? d.parent.children : [d], at = siblings.indexOf(d);
		const to = { ArrowUp: d.parent, ArrowDown: d.children?.[0], ArrowLeft: siblings[at - 1],
			ArrowRight: siblings[at + 1] }[event.key];
		if (event.key === "Escape")
			zoom(root);
		else if (to)
			chart.selectAll("button.cell").filter(e => e === to).node()?.focus();
		else
			return;
		event.preventDefault();
	}

	new ResizeObserver(() => draw(false)).observe(chart.node());
	return {
		show(tree) {
			root = laidOut(tree);
			focus = root;
			keys = new Map();
			draw(false);
		},
		reset: () => zoom(root),
		// How much the matches hold, each byte once.
		search(text) {
			pattern = text.toLowerCase();
			draw(false);
			let sum = 0;
			const queue = [root];
			while (queue.length) {
				const d = queue.pop();
				if (matches(d))
					sum += d.value;
				else if (d.children)
					queue.push(...d.children);
			}
			return pattern ? `${format(sum)}, ${share(sum, root.value)}` : "";
		},
	};
}

// Listeners of d3-selection 1 get the datum; the event is the window's.
function currentEvent() {
	return window.event;
}

// ---- treemap: two levels, the outer one named by its colour

function boxes(place, tree, format) {
	const chart = select(place).append("div").attr("class", "chart").style("height", "22rem");

	function draw() {
		const node = chart.node();
		const root = treemap().size([node.clientWidth, node.clientHeight]).paddingInner(1).round(true)(
			hierarchy(tree, d => d.kids).sum(d => d.self).sort((a, b) => b.value - a.value));
		const leaves = root.leaves().filter(d => d.value >= root.value * SMALLEST);
		const words = d => `${d.ancestors().reverse().slice(1).map(a => a.data.name).join(": ")}: ` +
			`${format(d.value)}, ${share(d.value, root.value)}`;
		chart.selectAll("button.cell").data(leaves).join("button").attr("class", "cell").attr("type", "button")
			.attr("aria-label", words).style("--hue", d => hue(d.ancestors().slice(-2)[0].data.name))
			.style("left", d => `${d.x0}px`).style("top", d => `${d.y0}px`)
			.style("width", d => `${d.x1 - d.x0}px`).style("height", d => `${d.y1 - d.y0}px`)
			.text(d => d.x1 - d.x0 > 40 && d.y1 - d.y0 > 14 ? d.data.name : "")
			.on("mousemove focus", d => showTip(currentEvent(), words(d))).on("mouseleave blur", hideTip);
	}

	new ResizeObserver(draw).observe(chart.node());
}

// ---- tables: a click on a head sorts, a field filters

function sortable(table) {
	const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
	const value = (row, i) => row.cells[i].dataset.v !== undefined ? Number(row.cells[i].dataset.v) : row.cells[i].textContent;

	heads.forEach((head, i) => {
		const button = document.createElement("button");
		button.type = "button";
		button.textContent = head.textContent;
		head.replaceChildren(button);
		button.addEventListener("click", () => {
			const down = head.getAttribute("aria-sort") !== "descending";
			heads.forEach(h => h.removeAttribute("aria-sort"));
			head.setAttribute("aria-sort", down ? "descending" : "ascending");
			const rows = [...body.rows].sort((a, b) => {
				const x = value(a, i), y = value(b, i);
				return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
			});
			body.replaceChildren(...rows);
		});
	});
}

function filterable(table) {
	const tools = select(table.parentNode).insert("div", "table").attr("class", "tools");
	const field = tools.append("input").attr("type", "search").attr("placeholder", "filter by name")
		.attr("aria-label", "filter by name");
	field.on("input", () => {
		const text = field.property("value").toLowerCase();
		for (const row of table.tBodies[0].rows)
			row.hidden = !row.cells[0].textContent.toLowerCase().includes(text);
	});
}

// ---- suspects: their Markdown on the clipboard

function markdownOf(details) {
	const text = name => [...details.querySelectorAll(name)].map(e => e.textContent.trim());
	const [title] = text(".title"), [size] = text(".size"), [rule] = text(".rule"), [advice] = text(".advice");
	const steps = text("ol.chain li"), fence = "```";
	return `### ${title}: ${size}\n\n\`${rule}\`\n\n` +
		(steps.length ? `${fence}\n${steps.join("\n  -> ")}\n${fence}\n\n` : "") + `${advice ?? ""}\n`;
}

function copyButtons() {
	for (const details of document.querySelectorAll("details.suspect")) {
		const button = document.createElement("button");
		button.type = "button";
		button.textContent = "copy as Markdown";
		button.addEventListener("click", () => {
			const area = document.createElement("textarea");
			area.value = markdownOf(details);
			document.body.append(area);
			area.select();
			document.execCommand("copy"); // a page from disk may not use the clipboard's own interface
			area.remove();
			button.textContent = "copied";
		});
		details.append(button);
	}
}

// ---- putting it together

function flames(place) {
	if (!place || !data.paths)
		return;
	const format = which => data.paths.values[which].unit === "bytes" ? bytes : n => n.toLocaleString("en");
	const tools = select(place).append("div").attr("class", "tools");
	const choice = tools.append("select").attr("aria-label", "what is shown");
	const field = tools.append("input").attr("type", "search").attr("placeholder", "search names")
		.attr("aria-label", "search names");
	const found = tools.append("span").attr("class", "small");
	const used = data.paths.values.map((v, i) => i)
		.filter(i => data.paths.samples.some(([values]) => values[i]));

	choice.selectAll("option").data(used).join("option").attr("value", i => i)
		.text(i => data.paths.values[i].type.replace("_", " "));
	const first = used.includes(data.paths.main) ? data.paths.main : used[0];
	choice.property("value", first);
	const graph = flame(place, treeOf(data.paths, first), n => format(Number(choice.property("value")))(n));
	choice.on("change", () => graph.show(treeOf(data.paths, Number(choice.property("value")))));
	field.on("input", () => found.text(graph.search(field.property("value"))));
	tools.append("button").attr("type", "button").text("whole").on("click", graph.reset);
}

flames(document.getElementById("paths"));
for (const [id, tree] of Object.entries(data.boxes))
	if (document.getElementById(id) && tree.kids.length)
		boxes(document.getElementById(id), tree, bytes);
document.querySelectorAll("table.sort").forEach(sortable);
document.querySelectorAll("table.filter").forEach(filterable);
copyButtons();
document.body.dataset.ready = "yes";
