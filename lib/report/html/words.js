// Numbers in words, and the box that says what is under the pointer.
import { select } from "d3-selection";

export function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let i = 0;
	for (; n >= 1024 && i < units.length - 1; i++)
		n /= 1024;
	return `${i ? n.toFixed(n < 10 && i > 2 ? 2 : 1) : n} ${units[i]}`;
}

export function count(n) {
	return n.toLocaleString("en");
}

// What is there is never "0.0%".
export function share(part, whole) {
	const percent = whole ? 100 * part / whole : 0;
	return !whole ? "" : percent > 0 && percent < 0.05 ? "<0.1%" : `${percent.toFixed(1)}%`;
}

const tip = select("body").append("div").attr("id", "tip").property("hidden", true);

// Lines of text, the first of them the name; beside the pointer, or below what has the focus.
export function showTip(event, lines) {
	const box = event.target.getBoundingClientRect(), pointed = event.type.startsWith("mouse");
	const x = pointed ? event.clientX + 14 : box.left;

	tip.property("hidden", false).selectAll("div").data(lines.filter(line => line)).join("div").text(line => line);
	const size = tip.node().getBoundingClientRect(), above = (pointed ? event.clientY : box.top) - size.height - 6;
	const below = pointed ? event.clientY + 16 : box.bottom + 4, fits = below + size.height < innerHeight - 4;
	// what has the focus keeps what is below it in sight
	const y = pointed && fits ? below : above > 4 ? above : fits ? below : 4;
	tip.style("left", `${Math.max(4, Math.min(x, innerWidth - size.width - 8))}px`).style("top", `${y}px`);
}

export function hideTip() {
	tip.property("hidden", true);
}

// Listeners of each element, called with the event and the element's datum whatever version of d3 bound it.
export function on(selection, types, listener) {
	return selection.each(function (d) {
		for (const type of types.split(" "))
			this[`on${type}`] = event => listener(event, d);
	});
}

// The row of controls above a chart.
export function toolbar(place, searched) {
	const bar = select(place).append("div").attr("class", "tools");
	const field = bar.append("input").attr("type", "search").attr("placeholder", searched).attr("aria-label", searched);
	const found = bar.append("span").attr("class", "found small").attr("aria-live", "polite");
	return { bar, field, found };
}
