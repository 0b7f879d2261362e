// The heap map: a canvas a range, a cell a piece of it; walked with arrow keys, searched by address.
import { select } from "d3-selection";
import { bytes, hideTip, on, share, showTip, toolbar } from "./words.js";

const SMALL = 6, LARGE = 14, FULL = 9;	// pixels of a cell; the highest level
const FEW = 2500;			// cells that are all drawn large
const SHOWN = 60;			// ranges

const hex = n => `0x${n.toString(16)}`;

function colours() {
	const style = getComputedStyle(document.documentElement);
	return name => style.getPropertyValue(name).trim();
}

// Free and in use mix in a cell as they do in its piece; a dark cell is full.
function paint(canvas, range, cell, at) {
	const width = canvas.parentNode.clientWidth, across = Math.max(1, Math.floor(width / cell)), n = range.use.length;
	const rows = Math.ceil(n / across), scale = devicePixelRatio || 1, colour = colours();
	const pen = canvas.getContext("2d");

	canvas.width = across * cell * scale;
	canvas.height = rows * cell * scale;
	canvas.style.width = `${across * cell}px`;
	canvas.style.height = `${rows * cell}px`;
	pen.scale(scale, scale);
	for (let i = 0; i < n; i++) {
		const x = i % across * cell, y = Math.floor(i / across) * cell, size = cell - 1;
		const used = range.use[i] / FULL, vacant = range.vacant[i] / FULL;
		pen.globalAlpha = 1;
		pen.fillStyle = colour(vacant > 0 ? "--map-free" : used > 0 ? "--map-own" : "--map-none");
		pen.fillRect(x, y, size, size);
		if (used > 0) {
			pen.globalAlpha = vacant > 0 ? 0.25 + 0.75 * used : 1;
			pen.fillStyle = colour("--map-used");
			if (vacant > 0)
				pen.fillRect(x, y + size * (1 - used), size, size * used);
			else
				pen.fillRect(x, y, size, size);
		}
		if (i === at) {
			pen.globalAlpha = 1;
			pen.strokeStyle = colour("--text");
			pen.lineWidth = 2;
			pen.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
		}
	}
	return across;
}

function about(range, i) {
	const start = parseInt(range.start, 16) + i * range.bucket, level = text => Math.max(0, (text[i] - 1) / (FULL - 1));
	const percent = part => part[i] === "0" ? "none" : part[i] >= FULL ? "all" : `about ${Math.round(100 * level(part))}%`;
	return [`${hex(start)} to ${hex(Math.min(start + range.bucket, parseInt(range.end, 16)))}`,
		`${percent(range.use)} in use · ${percent(range.vacant)} free`];
}

export function drawMap(place, space) {
	const { bar, field, found } = toolbar(place, "find an address");
	const shown = [...space].sort((a, b) => (b.used + b.free) - (a.used + a.free)).slice(0, SHOWN)
		.sort((a, b) => parseInt(a.start, 16) - parseInt(b.start, 16));
	const legend = bar.append("span").attr("class", "legend small");
	for (const [name, what] of [["used", "in use"], ["free", "free"], ["own", "allocator's own"], ["none", "not given out"]]) {
		const item = legend.append("span").attr("class", "item");
		item.append("i").attr("class", `swatch m-${name}`);
		item.append("span").text(what);
	}
	bar.append("span").attr("class", "small").text(`a cell is ${bytes(space[0].bucket)}`);
	if (space.length > shown.length)
		bar.append("span").attr("class", "small").text(`${space.length - shown.length} smaller ranges are not drawn`);

	const few = shown.reduce((sum, range) => sum + range.use.length, 0) <= FEW;
	const ranges = shown.map(range => {
		const block = select(place).append("div").attr("class", "range");
		const free = range.used + range.free ? share(range.free, range.used + range.free) : "0%";
		block.append("p").attr("class", "small").text(`${range.name} at ${range.start}: ${bytes(range.used)} in use, ` +
			`${bytes(range.free)} free (${free}), longest free run ${bytes(range.largest)}`);
		const canvas = block.append("div").append("canvas").attr("tabindex", 0).attr("role", "img")
			.attr("aria-label", `${range.name} at ${range.start}, ${free} free: arrow keys walk its cells, Enter enlarges`);
		const one = { range, canvas, cell: few ? LARGE - 2 : SMALL, at: -1, across: 1 };

		one.draw = () => one.across = paint(canvas.node(), range, one.cell, one.at);
		one.go = (i, event) => {
			one.at = Math.max(0, Math.min(range.use.length - 1, i));
			one.draw();
			if (event)
				showTip(event, about(range, one.at));
			found.text(about(range, one.at).join(": "));
		};
		one.enlarge = () => {
			one.cell = one.cell === SMALL ? LARGE : SMALL;
			one.draw();
		};
		const under = event => {
			const box = canvas.node().getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
			return Math.floor(y / one.cell) * one.across + Math.min(one.across - 1, Math.floor(x / one.cell));
		};
		on(canvas, "mousemove", event => {
			const i = under(event);
			if (i < range.use.length)
				showTip(event, about(range, i));
		});
		on(canvas, "mouseleave blur", hideTip);
		on(canvas, "click", one.enlarge);
		on(canvas, "keydown", event => {
			const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -one.across, ArrowDown: one.across }[event.key];
			if (event.key === "Enter")
				one.enlarge();
			else if (step)
				one.go(one.at + step, event);
			else
				return;
			event.preventDefault();
		});
		new ResizeObserver(one.draw).observe(block.node());
		return one;
	});

	on(field, "change", () => {
		const address = parseInt(field.property("value"), 16);
		const one = ranges.find(({ range }) => address >= parseInt(range.start, 16) && address < parseInt(range.end, 16));
		if (!one) {
			found.text(field.property("value") ? "in none of these" : "");
			return;
		}
		one.go(Math.floor((address - parseInt(one.range.start, 16)) / one.range.bucket));
		one.canvas.node().scrollIntoView({ block: "nearest" });
	});
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => ranges.forEach(one => one.draw()));
}
