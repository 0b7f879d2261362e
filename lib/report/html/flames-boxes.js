// The view of flame graphs where the build had no d3-flame-graph: an icicle of boxes.
import { partition } from "d3-hierarchy";
import { boxes } from "./boxes.js";

const ROW = 18, ABOVE = 6;

export const flames = boxes((focus, width) => {
	const skip = Math.max(0, focus.depth - ABOVE), cells = [];
	partition()(focus.ancestors().slice(-1)[0]);
	const scale = width / (focus.x1 - focus.x0 || 1);
	const place = (d, x, w) => cells.push({ d, x, y: ROW * (d.depth - skip), w, h: ROW - 1 });

	focus.ancestors().filter(d => d !== focus && d.depth >= skip).forEach(d => place(d, 0, width));
	focus.each(d => place(d, (d.x0 - focus.x0) * scale, Math.max(1, (d.x1 - d.x0) * scale - 1)));
	const deepest = cells.reduce((most, c) => c.w > 1 ? Math.max(most, c.d.depth) : most, 0);
	return { cells, height: ROW * (deepest + 1 - skip) };
});
