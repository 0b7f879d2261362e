// spares.rs - containers of Rust's std with room for more than they hold, and healthy twins of each.
//
//	spares TRUTH	writes the truth, prints "ready PID", waits to be dumped
//
// Rows are those of slacks.cpp.  How many buckets a table has no way of the library tells: the size that it was
// allocated with does, for entries of 16 bytes, a control byte of each and 16 more.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::io::Write as _;
use std::mem::size_of;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const MASK: usize = 0xa5a5_a5a5_a5a5_a5a5;

struct Logged;

#[global_allocator]
static GLOBAL: Logged = Logged;
static LAST: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)]; // where, masked; bytes

unsafe impl GlobalAlloc for Logged {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let p = unsafe { System.alloc(layout) };
        LAST[0].store(p as usize ^ MASK, Relaxed);
        LAST[1].store(layout.size(), Relaxed);
        p
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        unsafe { System.dealloc(p, layout) }
    }
}

fn last() -> (usize, usize) {
    (LAST[0].load(Relaxed), LAST[1].load(Relaxed))
}

#[derive(Clone)]
struct Line {
    article: u64,
    price: f64,
}

struct Table {
    map: HashMap<u64, u64>,
    masked: usize,
    size: usize,
}

struct Queue {
    values: VecDeque<u64>,
    masked: usize,
    size: usize,
}

struct Shelf {
    lines: Vec<Line>,
    label: String,
    index: Table,
    queue: Queue,
}

struct Store {
    few: Vec<Line>,
    none: Vec<Line>,
    right: Vec<Line>,
    cleared: Table,
    thinned: Table,
    full: Table,
    label: String,
    rows: Vec<Vec<Line>>,
    shelves: Vec<Box<Shelf>>,
}

static mut STORE: Option<Box<Store>> = None;

fn lines(used: usize, room: usize) -> Vec<Line> {
    let mut v = Vec::with_capacity(room);
    v.resize(used, Line { article: 1, price: 2.0 });
    v
}

fn text(used: usize, room: usize) -> String {
    let mut s = String::with_capacity(room);
    s.push_str(&"x".repeat(used));
    s
}

/// `entries` are put in, `left` stay.
fn table(entries: u64, left: u64) -> Table {
    let mut map = HashMap::with_capacity(entries as usize);
    let (masked, size) = last();
    for i in 0..entries {
        map.insert(i, i);
    }
    assert_eq!(masked, last().0); // it never grew
    map.retain(|&k, _| k < left);
    Table { map, masked, size }
}

/// They go round the end where there are some.
fn queue(used: usize, room: usize) -> Queue {
    let mut values = VecDeque::with_capacity(room);
    let (masked, size) = last();
    for i in 0..room - used / 2 {
        values.push_back(i as u64);
        values.pop_front();
    }
    values.extend(0..used as u64);
    assert_eq!(masked, last().0); // it never grew
    Queue { values, masked, size }
}

#[inline(never)]
fn fill() -> Store {
    let mut store = Store {
        few: lines(3, 5000),
        none: lines(0, 300),
        right: lines(400, 400),
        cleared: table(1000, 0),
        thinned: table(1000, 10),
        full: table(1000, 1000),
        label: text(50, 5000),
        rows: (0..50).map(|i| lines(if i % 2 == 0 { 18 } else { 2 }, 20)).collect(),
        shelves: Vec::with_capacity(100),
    };
    for i in 0..100 {
        store.shelves.push(Box::new(Shelf {
            lines: lines([0, 7, 16, 30][i % 4], 40),
            label: text([0, 20, 50, 100][i / 4 % 4], 100 + i),
            index: table(20 + i as u64, if i % 3 == 0 { 3 } else { 20 }),
            queue: queue([0, 5, 60][i % 3], 64),
        }));
    }
    // Those behind the end are no more: what is left of them there wastes nothing.
    store.rows.truncate(35);
    store
}

struct Notes(String);

impl Notes {
    fn add(&mut self, at: usize, size: usize, kind: &str, used: usize, room: usize) {
        writeln!(self.0, "{at:x}\t{size}\tspare\t{kind} {used} of {room}\t0\t-").unwrap();
    }
    /// Three fifths wasted, and 32 bytes.
    fn room(&mut self, at: usize, bytes: usize, one: usize, kind: &str, used: usize, room: usize) {
        let name = match (kind, one) {
            ("table", _) => "(u64, u64)",
            (_, 16) => "spares::Line",
            (_, 8) => "u64",
            _ => "u8",
        };
        if room > 0 {
            writeln!(self.0, "{at:x}\t{bytes}\tarray\t{name}\t0\t-").unwrap();
        }
        if (room - used) * one >= 32 && (room - used) * 5 >= room * 3 {
            self.add(at, bytes, if used == 0 { "empty" } else { kind }, used, room);
        }
    }
    fn lines(&mut self, v: &Vec<Line>) {
        let one = size_of::<Line>();
        self.room(v.as_ptr() as usize, v.capacity() * one, one, "capacity", v.len(), v.capacity());
    }
    fn text(&mut self, s: &String) {
        self.room(s.as_ptr() as usize, s.capacity(), 1, "capacity", s.len(), s.capacity());
    }
    fn table(&mut self, t: &Table) {
        let buckets = (t.size - 16) / 17;
        assert!(buckets.is_power_of_two() && t.size == 17 * buckets + 16 && t.map.capacity() <= buckets);
        self.room(t.masked ^ MASK, t.size, 17, "table", t.map.len(), buckets);
    }
    fn queue(&mut self, q: &Queue) {
        assert_eq!(q.size, q.values.capacity() * 8);
        self.room(q.masked ^ MASK, q.size, 8, "capacity", q.values.len(), q.values.capacity());
    }
    fn store(&mut self, s: &Store) {
        for v in [&s.few, &s.none, &s.right].into_iter().chain(&s.rows) {
            self.lines(v);
        }
        for t in [&s.cleared, &s.thinned, &s.full] {
            self.table(t);
        }
        self.text(&s.label);
        for shelf in &s.shelves {
            self.lines(&shelf.lines);
            self.text(&shelf.label);
            self.table(&shelf.index);
            self.queue(&shelf.queue);
        }
    }
}

#[inline(never)]
fn wipe_stack() {
    let mut junk = [0u8; 1 << 16];
    std::hint::black_box(&mut junk);
}

#[inline(never)]
fn prepare(path: &str) {
    let mut n = Notes(String::new());
    unsafe {
        STORE = Some(Box::new(fill()));
        n.store((*(&raw const STORE)).as_ref().unwrap());
    }
    std::fs::write(path, n.0).unwrap();
}

fn used() -> f64 {
    let s = unsafe { (*(&raw const STORE)).as_ref().unwrap() };
    s.rows.iter().flatten().map(|l| l.article as f64 + l.price).sum()
}

fn main() {
    prepare(&std::env::args().nth(1).expect("a file for the truth"));
    wipe_stack();
    // No stdout of the library's: it has a buffer, with nothing in it.
    let ready = format!("ready {}\n", std::process::id());
    std::fs::OpenOptions::new().write(true).open("/proc/self/fd/1").unwrap().write_all(ready.as_bytes()).unwrap();
    drop(ready);
    loop {
        std::thread::park();
        std::hint::black_box(used());
    }
}
