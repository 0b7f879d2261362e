// The charts and the sorting of a report.  Tables are in the page already: without this they still read.
import { drawHeaps, drawTree } from "./chart.js";
import { drawMap } from "./map.js";
import { copyButtons, filterable, sortable } from "./tables.js";

const data = JSON.parse(document.getElementById("data").textContent);
const place = id => document.getElementById(id);
const later = [];

// Charts are drawn one at a time, so that a reader can read before the last is there: the page is ready when it is.
function drawnLater(draw) {
	let drawn = false, chart;
	const once = () => {
		if (!drawn) {
			drawn = true;
			chart = draw();
		}
		return chart;
	};
	later.push(once);
	return once;
}

const trees = [["paths", data.paths], ["type-tree", data.types], ["dominator-tree", data.dominators]]
	.filter(([id, columns]) => place(id) && columns && columns.parent.length)
	.map(([id, columns]) => [id, drawnLater(() => drawTree(place(id), columns, data.names))]);
const holders = trees.find(([id]) => id === "dominator-tree")?.[1];

if (place("heap-boxes") && data.lists.kids.length)
	drawnLater(() => drawHeaps(place("heap-boxes"), data));
if (place("heap-map") && data.space.length)
	drawnLater(() => drawMap(place("heap-map"), data.space));

// A step of a chain leads to its box among the largest holders, where it has one.
function followChains() {
	const known = new Set((data.dominators?.address ?? []).filter(a => a));
	for (const item of document.querySelectorAll("ol.chain li[data-at]")) {
		if (!known.has(item.dataset.at))
			continue;
		const button = document.createElement("button");
		button.type = "button";
		button.className = "follow";
		button.textContent = "show";
		button.title = "show it among the largest holders";
		button.addEventListener("click", () => {
			place("dominators").scrollIntoView();
			holders().showAddress(item.dataset.at);
		});
		item.append(" ", button);
	}
}

document.querySelectorAll("table.sort").forEach(sortable);
document.querySelectorAll("table.filter").forEach(filterable);
copyButtons();
if (holders)
	followChains();
addEventListener("load", function step() {
	later.shift()?.();
	if (later.length)
		setTimeout(step);
	else
		document.body.dataset.ready = "yes";
});
addEventListener("beforeprint", () => later.splice(0).forEach(draw => draw()));
