// The view of flame graphs: d3-flame-graph, what holds above what is held.
import flamegraph from "d3-flame-graph";

const ROW = 18, SPARE = 2;	// pixels of a level; levels that d3-flame-graph leaves empty
const ABOVE = 6;		// levels that stay in sight above a deep focus
const silent = Object.assign(() => {}, { show() {}, hide() {} }); // words are the chart's own
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

export function flames(place, zoomed) {
	let graph, focus;
	const cells = () => place.selectAll("g.frame");

	function fit() {
		const skip = Math.max(0, focus.depth - ABOVE) * ROW, height = graph.height() - SPARE * ROW - skip;
		place.select("svg").attr("height", height).attr("viewBox", `0 ${skip} ${graph.width()} ${height}`);
		cells().attr("role", "button");
	}

	return {
		cells,
		show(top) {
			place.select("svg").remove();
			graph = flamegraph().width(place.node().clientWidth).cellHeight(ROW).inverted(true).minFrameSize(1.5)
				.resetHeightOnZoom(true).transitionDuration(calm ? 0 : 200).tooltip(silent).onClick(d => {
					focus = d;
					fit();
					zoomed(d);
				});
			return focus = place.datum(top).call(graph).datum();
		},
		zoom: d => graph.zoomTo(d),
		resize() {
			graph.width(place.node().clientWidth).update();
			fit();
		},
	};
}
