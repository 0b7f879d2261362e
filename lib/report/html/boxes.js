// Boxes that are buttons: a view of a chart by any layout.
import { hierarchy } from "d3-hierarchy";
import { on } from "./words.js";

const NARROW = 1.5;	// pixels: what is narrower is not drawn
const BOXES = 3000;	// drawn at once, the largest

/*
 * The view of `layout(focus, width)`, which answers boxes as [{d, x, y, w, h, head}], and the height.
 */
export function boxes(layout) {
	return (place, zoomed) => {
		let focus;
		const cells = () => place.selectAll("button.cell");

		function draw() {
			const width = place.node().clientWidth, { cells: all, height } = layout(focus, width);
			const large = all.filter(c => c.w >= NARROW && c.h >= NARROW).sort((a, b) => b.w * b.h - a.w * a.h).slice(0, BOXES);

			for (const c of large)
				c.d.box = c;
			place.style("height", `${height}px`);
			on(cells().data(large.map(c => c.d), d => d.id).join("button"), "click", (_event, d) => zoom(d))
				.attr("type", "button").attr("class", d => `cell${d.depth < focus.depth ? " above" : ""}${d.box.head ? " head" : ""}`)
				.style("left", d => `${d.box.x}px`).style("top", d => `${d.box.y}px`)
				.style("width", d => `${d.box.w}px`).style("height", d => `${d.box.h}px`)
				.text(d => d.box.w > 24 && d.box.h > 12 ? d.data.name : "");
		}

		function zoom(d) {
			focus = d;
			draw();
			zoomed(d);
		}

		return {
			cells, zoom, resize: draw,
			show(top) {
				let id = 0;
				cells().remove();
				return hierarchy(top).each(d => {
					d.id = id++;
					d.value = d.data.value;
				});
			},
		};
	};
}
