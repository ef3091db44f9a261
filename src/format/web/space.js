/*
 * The address space, row by row: a mapping each, or a run of small ones.
 * A row of data.space: a first address (hex), s and e first and last page, b bytes, l label, f file, p permissions,
 * n mappings, m called differently, r resident, w swapped, k [class, bytes]..., c [pages, class, percent resident]...
 */

const space = (() => {
	const CHUNK = 50, PAGE = 4096, ROW = 19, GAP = 16, LAZY = 300;
	const section = document.getElementById("space"), list = section.querySelector(".rows");
	const ribbon = section.querySelector(".ribbon"), controls = section.querySelector(".controls");
	const rows = data.space;
	const most = Math.max(1, ...rows.map((r) => r.b / PAGE));
	const state = { order: "address", resident: false, text: "", highlighted: -1 };
	let spots = [];

	/* A mapping of one page is 5 % wide, the largest 100 %: widths grow with the logarithm. */
	function width(bytes) {
		const span = Math.log2(most) || 1;
		return 5 + 95 * Math.log2(Math.max(1, bytes / PAGE)) / span;
	}

	function paper() {
		return theme.dark ? [35, 40, 44] : [236, 238, 239];
	}

	/* A quarter of the colour for the first page, all of it when all is resident. */
	function tone(cls, percent) {
		if (cls < 0 || !percent)
			return paper();
		if (state.highlighted >= 0 && cls !== state.highlighted)
			return mix(paper(), [128, 128, 128], .15);
		return mix(paper(), classes[cls].color, .25 + .75 * Math.sqrt(percent / 100));
	}

	function pages(row) {
		let n = 0;
		for (let i = 0; i < row.c.length; i += 3)
			n += row.c[i];
		return n || 1;
	}

	function gradient(row) {
		const stops = [], all = pages(row);
		let at = 0;
		for (let i = 0; i < row.c.length; i += 3) {
			const color = css(tone(row.c[i + 1], row.c[i + 2]));
			stops.push(`${color} ${(100 * at / all).toFixed(2)}%`);
			at += row.c[i];
			stops.push(`${color} ${(100 * at / all).toFixed(2)}%`);
		}
		return stops.length > 2 ? `linear-gradient(90deg,${stops.join(",")})` : css(tone(row.c[1], row.c[2]));
	}

	function title(row) {
		const name = clean(row.l) || "anonymous";
		if (!row.n)
			return name;
		return row.m ? `${name} and others` : name;
	}

	function lines(row) {
		const out = [title(row) + (row.n ? ` (${count(row.n)} mappings)` : "")];
		out.push(`0x${row.a}  ${row.p}  ${size(row.b)}, ${size(row.r)} resident (${percent(row.r, row.b)})`);
		const span = (row.e - row.s) * PAGE;
		if (span > row.b)
			out.push(`${size(span)} from the first to the last, ${size(span - row.b)} of it unmapped`);
		if (row.f)
			out.push(clean(row.f));
		const parts = [];
		for (let i = 0; i < row.k.length; i += 2)
			parts.push([row.k[i], row.k[i + 1]]);
		parts.sort((a, b) => b[1] - a[1]);
		for (const [cls, bytes] of parts)
			out.push([css(classes[cls].color), classes[cls].name, size(bytes)]);
		if (row.w)
			out.push(`${size(row.w)} in swap`);
		return out;
	}

	function rowOf(row) {
		const e = el("div", row.r ? "vma" : "vma none"), strip = el("div", row.n ? "strip multi" : "strip");
		const fill = el("div"), name = el("span", "name", title(row));
		e.setAttribute("role", "row");
		e.row = row;
		e.fill = fill;
		strip.style.width = width(row.b).toFixed(1) + "%";
		fill.style.background = gradient(row);
		if (row.n)
			name.append(el("em", "", ` \u00d7 ${count(row.n)}`));
		add(e, el("span", "addr mono", row.a), add(strip, fill), el("span", "num", size(row.b)),
			el("span", "num", row.r ? size(row.r) : "\u2013"), el("span", "perm mono", row.p), name);
		for (const cell of e.children)
			cell.setAttribute("role", "cell");
		return e;
	}

	/* The upper half of the addresses is the kernel's; what it shows there is no neighbour of the rest. */
	function gapText(bytes, next) {
		return next.s >= 2 ** 51 ? "the kernel's addresses" : `${size(bytes)} unmapped`;
	}

	function gapOf(bytes, next) {
		const e = el("div", bytes < 1 << 20 ? "gap small" : "gap");
		e.setAttribute("role", "row");
		const cell = el("span", "break", gapText(bytes, next));
		cell.setAttribute("role", "cell");
		cell.style.setProperty("--w", Math.min(62, 1.8 * Math.log2(bytes / PAGE)).toFixed(1) + "%");
		return add(e, el("span", "addr"), cell);
	}

	function head() {
		const e = el("div", "rowhead");
		e.setAttribute("role", "row");
		const cells = [["addr", "address"], ["", "cells"], ["num", "size"], ["num", "resident"], ["perm", "perm"], ["name", "what it is"]];
		for (const [cls, text] of cells) {
			const cell = el("span", cls, text);
			cell.setAttribute("role", "columnheader");
			e.append(cell);
		}
		return e;
	}

	function chosen() {
		const text = state.text.toLowerCase();
		const hits = rows.filter((r) => (!state.resident || r.r) &&
			(!text || `${r.l} ${r.f ?? ""} ${r.a} ${r.p}`.toLowerCase().includes(text)));
		if (state.order === "size")
			hits.sort((a, b) => b.b - a.b);
		if (state.order === "resident")
			hits.sort((a, b) => b.r - a.r);
		return hits;
	}

	function render() {
		const hits = chosen(), whole = hits.length === rows.length;
		list.replaceChildren(head());
		list.classList.toggle("lazy", hits.length > LAZY);
		let chunk = null, height = 0, had = 0;
		hits.forEach((row, i) => {
			if (i % CHUNK === 0) {
				chunk = el("div", "chunk");
				chunk.setAttribute("role", "rowgroup");
				list.append(chunk);
				height = had = 0;
			}
			const gap = i ? row.s - hits[i - 1].e : 0;
			if (whole && state.order === "address" && gap > 0)
				chunk.append(gapOf(gap * PAGE, row));
			chunk.append(rowOf(row));
			/* Rows that are not on the screen are not laid out: their height is told. */
			height += ROW + (chunk.children.length - had - 1) * GAP;
			had = chunk.children.length;
			chunk.style.containIntrinsicSize = `auto ${height}px`;
		});
		controls.querySelector("output").textContent = whole ? "" : `${count(hits.length)} of ${count(rows.length)} rows`;
	}

	/* All of it on one line: blocks as wide as the logarithm of their size, breaks for gaps. */
	function drawRibbon() {
		const ratio = devicePixelRatio || 1, w = ribbon.clientWidth, h = ribbon.clientHeight;
		ribbon.width = Math.round(w * ratio);
		ribbon.height = Math.round(h * ratio);
		const g = ribbon.getContext("2d");
		g.scale(ratio, ratio);
		const gapWidth = (row, next) => next && next.s > row.e ? 2 + Math.log2(next.s - row.e) / 3 : 0;
		const breaks = rows.map((r, i) => gapWidth(r, rows[i + 1]));
		const fixed = breaks.reduce((s, v) => s + v, 0), squeeze = Math.min(1, w * .35 / (fixed || 1));
		const weight = rows.map((r) => 1 + Math.log2(Math.max(1, r.b / PAGE)) ** 1.5);
		const unit = (w - fixed * squeeze) / (weight.reduce((s, v) => s + v, 0) || 1);
		let x = 0;
		spots = [];
		rows.forEach((row, i) => {
			const wide = weight[i] * unit, all = pages(row);
			spots.push([x, x + wide, row]);
			let at = 0;
			for (let k = 0; k < row.c.length; k += 3) {
				g.fillStyle = css(tone(row.c[k + 1], row.c[k + 2]));
				g.fillRect(x + wide * at / all, 4, Math.max(.3, wide * row.c[k] / all), h - 8);
				at += row.c[k];
			}
			if (wide > 4) {
				g.strokeStyle = theme.dark ? "#121517" : "#ffffff";
				g.lineWidth = 1;
				g.strokeRect(x + .5, 4.5, wide - 1, h - 9);
			}
			x += wide;
			const gap = breaks[i] * squeeze;
			if (gap > 3) {
				g.strokeStyle = theme.dark ? "#97a1aa" : "#5a646d";
				g.lineWidth = 1;
				g.beginPath();
				g.moveTo(x + gap / 2 + 1, 0);
				for (let y = 0, left = true; y <= h; y += 4, left = !left)
					g.lineTo(x + gap / 2 + (left ? 1 : -1) * Math.min(2, gap / 3), y);
				g.stroke();
			}
			x += gap;
		});
	}

	function spotAt(ev) {
		const x = ev.clientX - ribbon.getBoundingClientRect().left;
		return spots.find((s) => x >= s[0] && x < s[1])?.[2];
	}

	function repaint() {
		for (const e of list.querySelectorAll(".vma"))
			e.fill.style.background = gradient(e.row);
		drawRibbon();
	}

	function control(label, input) {
		controls.append(add(el("label"), ...(input.type === "checkbox" ? [input, label] : [label, input])));
		return input;
	}

	function makeControls() {
		const search = control("Find ", el("input")), order = control("Order ", el("select")), only = el("input");
		search.type = "search";
		search.addEventListener("input", () => {
			state.text = search.value;
			render();
		});
		for (const o of ["address", "resident", "size"])
			order.append(el("option", "", o));
		order.addEventListener("change", () => {
			state.order = order.value;
			render();
		});
		only.type = "checkbox";
		control("resident only", only).addEventListener("change", () => {
			state.resident = only.checked;
			render();
		});
		controls.append(el("output"));
	}

	function events() {
		ribbon.addEventListener("mousemove", (ev) => {
			const row = spotAt(ev);
			if (row)
				tip.show(lines(row), ev.clientX, ev.clientY);
			else
				tip.hide();
		});
		ribbon.addEventListener("mouseleave", () => tip.hide());
		ribbon.addEventListener("click", (ev) => {
			const row = spotAt(ev);
			const e = row && [...list.querySelectorAll(".vma")].find((v) => v.row === row);
			if (!e)
				return;
			e.scrollIntoView({ block: "center" });
			e.tabIndex = -1;
			e.focus();
		});
		list.addEventListener("mousemove", (ev) => {
			const e = ev.target.closest(".vma");
			if (e)
				tip.show(lines(e.row), ev.clientX, ev.clientY);
			else
				tip.hide();
		});
		list.addEventListener("mouseleave", () => tip.hide());
		new ResizeObserver(drawRibbon).observe(ribbon);
		theme.onChange(repaint);
	}

	function start() {
		const sp = data.address_space;
		const joined = rows.some((r) => r.n) ? " Small neighbours share a row (double edge)." : "";
		section.querySelector(".hint").textContent = `${count(sp.regions)} mappings over ${size(sp.span_bytes)}, ` +
			`${count(sp.gaps)} gaps of ${size(sp.mean_gap_bytes)} on average, page tables of ${size(sp.page_table_bytes)}. ` +
			"Colour: what a stretch mostly is. Strength: how much of it is resident. " +
			"Width: logarithm of the size." + joined;
		makeControls();
		events();
		render();
		drawRibbon();
	}

	return {
		start,
		highlight(cls) {
			state.highlighted = cls;
			repaint();
		},
	};
})();
