// Tables: a click on a head sorts, a field filters.  Suspects: their Markdown on the clipboard.
import { select } from "d3-selection";
import { count } from "./words.js";

export function sortable(table) {
	const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
	const value = (row, i) => row.cells[i].dataset.v !== undefined ? Number(row.cells[i].dataset.v) : row.cells[i].textContent;

	heads.forEach((head, i) => {
		if (!head.textContent)
			return;
		const button = document.createElement("button");
		button.type = "button";
		button.textContent = head.textContent;
		head.replaceChildren(button);
		button.addEventListener("click", () => {
			const number = head.classList.contains("n"), was = head.getAttribute("aria-sort");
			const down = was ? was !== "descending" : number;
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

export function filterable(table) {
	const tools = select(table.parentNode.parentNode).insert("div", () => table.parentNode).attr("class", "tools");
	const field = tools.append("input").attr("type", "search").attr("placeholder", "filter")
		.attr("aria-label", "filter the rows by name");
	const found = tools.append("span").attr("class", "found small").attr("aria-live", "polite");
	field.on("input", () => {
		const text = field.property("value").toLowerCase(), rows = [...table.tBodies[0].rows];
		for (const row of rows)
			row.hidden = !row.cells[0].textContent.toLowerCase().includes(text);
		found.text(text ? `${count(rows.filter(row => !row.hidden).length)} of ${count(rows.length)}` : "");
	});
}

// Folded steps are one line.
function markdownOf(details) {
	const text = name => [...details.querySelectorAll(name)].map(e => e.textContent.trim());
	const [title] = text(".title"), [size] = text(".size"), [rule] = text(".rule"), [advice] = text(".advice");
	const steps = [...details.querySelectorAll("ol.chain > li")].map(item =>
		item.classList.contains("fold") ? `... ${item.querySelector("summary").textContent}` :
			[...item.querySelectorAll("code, .small")].map(e => e.textContent.trim()).join(" "));
	const facts = [...details.querySelectorAll(".evidence dt")]
		.map(e => `- ${e.textContent}: ${e.nextElementSibling.textContent}\n`).join("");
	const fence = "```";
	return `### ${title}: ${size}\n\n\`${rule}\`\n\n` +
		(steps.length ? `${fence}\n${steps.join("\n  -> ")}\n${fence}\n\n` : "") +
		(facts ? `${facts}\n` : "") + `${advice ?? ""}\n`;
}

export function copyButtons() {
	for (const details of document.querySelectorAll("details.suspect")) {
		const button = document.createElement("button");
		button.type = "button";
		button.className = "copy";
		button.textContent = "copy as Markdown";
		button.addEventListener("click", () => {
			const area = document.createElement("textarea");
			area.value = markdownOf(details);
			document.body.append(area);
			area.select();
			document.execCommand("copy"); // a page from disk may not use the clipboard's own interface
			area.remove();
			button.textContent = "copied";
			button.focus({ preventScroll: true });
		});
		details.querySelector(".body").append(button);
	}
}
