/* The page of `ullage map --html`: key figures, classes, runtime, cgroup, notes. */

const rss = data.rss_bytes;

function byName(name) {
	return classes.findIndex((c) => c.name === name);
}

function residentOf(prefix) {
	return data.classes.filter((c) => c.class.startsWith(prefix)).reduce((s, c) => s + c.resident_bytes, 0);
}

function header() {
	const head = document.getElementById("head"), h1 = el("h1", "", clean(data.comm));
	document.title = `ullage map: ${clean(data.comm)} (${data.pid})`;
	h1.append(el("small", "", `pid ${data.pid}`));
	const facts = [];
	if (data.go) {
		facts.push(data.go.version ?? "Go, version unknown");
		if (data.go.module)
			facts.push(clean(data.go.module));
	}
	if (data.exe)
		facts.push(clean(data.exe));
	const flags = data.go ? ["stripped", "pie", "cgo"].filter((f) => data.go[f]) : [];
	const when = data.time.replace("T", " ").replace(/\.\d+Z/, " UTC");
	const how = data.stopped_ms > 0 ? `stopped for ${data.stopped_ms.toFixed(2)} ms` : "never stopped";
	add(head, h1, el("p", "", facts.concat(flags).join(" \u00b7 ")),
		el("p", "", `${when} \u00b7 read in ${data.elapsed_ms.toFixed(0)} ms, ${how}`));
}

function tiles() {
	const box = document.getElementById("tiles"), cg = data.cgroup;
	const put = (label, value, note, cls) =>
		box.append(add(el("div", cls), el("span", "", label), el("b", "", value), el("span", "", note)));
	put("Resident (RSS)", size(rss), data.swap_bytes ? `and ${size(data.swap_bytes)} in swap` : "nothing in swap");
	if (data.runtime) {
		const live = residentOf("go.heap.live"), heap = residentOf("go.heap.");
		put("Live heap", size(live), `${percent(live, rss)} of RSS, Go heap ${size(heap)}`);
		put("Returnable", size(data.returnable_bytes), "idle spans, still resident");
		put("Goroutines", count(data.runtime.goroutines), `${count(data.runtime.threads)} threads`);
	}
	if (cg && cg.limit_bytes !== null && cg.working_set_bytes !== null) {
		const used = cg.working_set_bytes / cg.limit_bytes;
		put("Cgroup headroom", size(cg.headroom_bytes), `${size(cg.working_set_bytes)} of ${size(cg.limit_bytes)} (${percent(used, 1)})`,
			used > .95 ? "bad" : used > .85 ? "warn" : "");
	} else if (cg) {
		put("Cgroup working set", size(cg.working_set_bytes), "no limit");
	}
	const off = Math.abs(data.unexplained_bytes);
	const bound = data.error_bound_bytes ? `exact to ${size(data.error_bound_bytes)}` : "exact";
	put("Unexplained", size(data.unexplained_bytes), bound, off > rss / 100 ? "bad" : "");
}

function bar() {
	const box = document.getElementById("bar"), legend = document.getElementById("legend");
	const used = data.classes.filter((c) => c.resident_bytes > 0);
	box.setAttribute("aria-label", used.map((c) => `${c.class} ${percent(c.resident_bytes, rss)}`).join(", "));
	let pressed = -1;
	/* In table order, so that families stand together. */
	const ordered = used.slice().sort((a, b) => byName(a.class) - byName(b.class));
	for (const c of ordered) {
		const cls = byName(c.class), part = el("div");
		part.style.flexGrow = c.resident_bytes;
		part.style.background = css(classes[cls].color);
		tip.on(part, () => [c.class, `${size(c.resident_bytes)}, ${percent(c.resident_bytes, rss)} of RSS`, classes[cls].about]);
		box.append(part);
		const key = el("button"), mark = el("span", "swatch");
		mark.style.background = css(classes[cls].color);
		key.setAttribute("aria-pressed", "false");
		add(key, mark, c.class, el("em", "", percent(c.resident_bytes, rss)));
		key.addEventListener("click", () => {
			pressed = pressed === cls ? -1 : cls;
			for (const b of legend.children)
				b.setAttribute("aria-pressed", String(b === key && pressed >= 0));
			treemap.highlight(pressed);
			space.highlight(pressed);
		});
		tip.on(key, () => [c.class, classes[cls].about, "Click: show only this in the pictures."]);
		legend.append(key);
	}
}

function cell(row, text, cls) {
	const td = el("td", cls, text);
	row.append(td);
	return td;
}

function family(name) {
	const parts = name.split(".");
	return name.startsWith("go.") && parts.length > 2 ? parts.slice(0, 2).join(".") : parts[0];
}

function classRow(c, member) {
	const tr = el("tr", member ? "member" : ""), cls = byName(c.class), mark = el("span", "swatch");
	mark.style.background = css(classes[cls].color);
	cell(tr, "").append(mark, c.class);
	numbers(tr, c);
	cell(tr, classes[cls].about, "wide");
	return tr;
}

const columns = ["resident_bytes", "virtual_bytes", "swap_bytes", "huge_bytes", "lazyfree_bytes", "pss_bytes"];
const shown = columns.filter((k) => k === "resident_bytes" || data.classes.some((c) => c[k]));

function numbers(tr, c) {
	for (const k of shown) {
		cell(tr, c[k] ? size(c[k]) : "\u2013", "num");
		if (k === "resident_bytes")
			cell(tr, percent(c[k], rss), "num");
	}
}

function classTable() {
	const table = el("table"), head = el("tr"), families = new Map();
	const titles = { resident_bytes: "resident", virtual_bytes: "virtual", swap_bytes: "swap", huge_bytes: "huge pages", lazyfree_bytes: "lazily freed", pss_bytes: "proportional" };
	head.append(el("th", "", "class"));
	for (const k of shown) {
		head.append(el("th", "num", titles[k]));
		if (k === "resident_bytes")
			head.append(el("th", "num", "of RSS"));
	}
	add(head, el("th", "", "what it is"));
	table.append(add(el("thead"), head));
	for (const c of data.classes) {
		if (!columns.some((k) => c[k]))
			continue;
		const f = family(c.class);
		families.set(f, (families.get(f) ?? []).concat(c));
	}
	const sum = (list, k) => list.reduce((s, c) => s + (c[k] ?? 0), 0);
	const ordered = [...families].sort((a, b) => sum(b[1], "resident_bytes") - sum(a[1], "resident_bytes"));
	const body = el("tbody");
	for (const [name, list] of ordered) {
		if (list.length > 1) {
			const tr = el("tr", "family");
			cell(tr, name);
			numbers(tr, Object.fromEntries(columns.map((k) => [k, sum(list, k)])));
			cell(tr, "", "wide");
			body.append(tr);
		}
		for (const c of list)
			body.append(classRow(c, list.length > 1));
	}
	document.querySelector("#classes .scroll").append(add(table, body));
}

function facts(rows) {
	const dl = el("dl", "facts");
	for (const [name, text] of rows)
		add(dl, el("dt", "", name), el("dd", "", text));
	return dl;
}

function runtime() {
	const r = data.runtime, g = data.gc, box = document.getElementById("runtime");
	if (!r)
		return;
	const states = Object.entries(r.goroutines_by_status).filter((s) => s[1]).map((s) => `${count(s[1])} ${s[0]}`).join(", ");
	const ms = (v) => v === null ? "unknown" : v.toFixed(2) + " ms";
	const last = g.last === null ? "none yet" : `the last ${((Date.parse(data.time) - Date.parse(g.last)) / 1000).toFixed(1)} s before`;
	const settings = [r.gc_percent === null ? "GOGC unknown" : r.gc_percent < 0 ? "GOGC off" : `GOGC ${r.gc_percent}`,
		`GOMEMLIMIT ${r.memory_limit_bytes === null ? "none" : size(r.memory_limit_bytes)}`, `GOMAXPROCS ${count(r.gomaxprocs)}`];
	if (r.cpu_quota !== null)
		settings.push(`CPU quota ${r.cpu_quota}`);
	for (const [k, v] of Object.entries(data.go.godebug))
		settings.push(`${clean(k)}=${clean(v)}`);
	add(box, el("h2", "", "Go runtime"), facts([
		["Heap", `${size(r.heap_alloc_bytes)} allocated in ${count(r.heap_objects)} objects, ${size(r.heap_inuse_bytes)} in use by spans, ` +
			`${size(r.heap_idle_bytes)} idle, of which ${size(r.heap_released_bytes)} returned to the kernel`],
		["Since the start", `${size(r.total_alloc_bytes)} allocated in ${count(r.mallocs)} objects, ${count(r.frees)} freed`],
		["Goroutines", `${count(r.goroutines)} (${states}), stacks of ${size(r.stack_inuse_bytes)}`],
		["GC", `${count(g.count)} cycles (${count(g.forced)} forced), ${last}; goal ${size(g.heap_goal_bytes)}, ${size(g.heap_marked_bytes)} marked; ` +
			`pauses p50 ${ms(g.pause_p50_ms)}, p99 ${ms(g.pause_p99_ms)}`],
		["Settings", settings.join(", ")],
	]));
}

function fallRow(box, step, change, from, to, scale, cls, limit) {
	const track = el("div", "track"), mark = el("i", cls);
	mark.style.left = 100 * Math.max(0, Math.min(from, to)) / scale + "%";
	mark.style.width = 100 * Math.abs(to - from) / scale + "%";
	track.append(mark);
	if (limit !== null) {
		const line = el("u");
		line.style.left = 100 * limit / scale + "%";
		track.append(line);
	}
	const last = cls === "total" ? " last" : "";
	add(box, el("span", last, step), el("span", "num" + last, change), track, el("span", "num sum" + last, size(to)));
}

function cgroup() {
	const cg = data.cgroup, box = document.getElementById("cgroup");
	if (!cg)
		return;
	add(box, el("h2", "", "From the heap to the cgroup"));
	const limit = cg.limit_bytes, fall = el("div", "fall");
	const hint = `${clean(cg.path)} (v${cg.version})` + (limit === null ? ", no limit" : `, limit ${size(limit)} of ${clean(cg.limit_path)} (dashed)`);
	box.append(el("p", "hint", hint));
	let at = 0;
	const sums = cg.balance.map((s) => at += s.bytes);
	const scale = Math.max(1, cg.usage_bytes ?? 0, ...sums, limit !== null && limit < 4 * cg.usage_bytes ? limit : 0) * 1.01;
	const line = limit !== null && limit <= scale ? limit : null;
	at = 0;
	for (const s of cg.balance) {
		fallRow(fall, clean(s.step), (s.bytes > 0 && at ? "+" : "") + size(s.bytes), at, at + s.bytes, scale, s.bytes < 0 ? "less" : "", line);
		at += s.bytes;
	}
	if (cg.unexplained_bytes)
		fallRow(fall, "unexplained", (cg.unexplained_bytes > 0 ? "+" : "") + size(cg.unexplained_bytes), at, at + cg.unexplained_bytes, scale, "off", line);
	if (cg.usage_bytes !== null)
		fallRow(fall, "usage: what the cgroup is charged", "", 0, cg.usage_bytes, scale, "total", line);
	box.append(fall);
	const rows = [];
	const events = Object.entries(cg.events).filter((e) => e[1]).map((e) => `${e[0]} ${count(e[1])}`);
	if (events.length)
		rows.push(["Events", events.join(", ")]);
	if (cg.processes.length > 1)
		rows.push(["Processes", cg.processes.slice(0, 12).map((p) => `${clean(p.comm)} (${p.pid}) ${size(p.rss_bytes)}`).join(", ")]);
	if (rows.length)
		box.append(facts(rows));
}

function notes() {
	const box = document.getElementById("notes"), list = el("ul"), in_ = data.integrity;
	const put = (text, cls) => list.append(el("li", cls, text));
	if (in_.exe_matches_disk === false)
		put("The executable on disk is not the one that runs: replaced or deleted.", "bad");
	if (in_.text_modified_bytes)
		put(`${size(in_.text_modified_bytes)} of code differ from the file; breakpoints in ${count(in_.probes)} pages.`, "bad");
	for (const m of in_.foreign_exec_mappings)
		put(`Executable memory that belongs to no loaded file: ${clean(m)}`, "bad");
	for (const m of in_.preloaded)
		put(`Preloaded library: ${clean(m)}`, "bad");
	for (const n of data.notes)
		put(clean(n));
	if (list.children.length)
		add(box, el("h2", "", "Notes"), list);
}

header();
tiles();
bar();
classTable();
runtime();
cgroup();
notes();
treemap.start();
space.start();
