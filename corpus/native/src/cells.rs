// cells.rs - what Rust's standard library keeps behind cells, locks and shared slices, by statics and by fields.
//
//	cells TRUTH	writes the truth, prints "ready PID", waits to be dumped
//
// Rows are those of types.h.

use std::any::type_name;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, LinkedList};
use std::fmt::Write as _;
use std::mem::size_of;
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, RwLock};

const MASK: usize = 0xa5a5_a5a5_a5a5_a5a5;

struct Row {
    masked: usize,
    size: usize,
    form: &'static str,
    name: String,
    holder: String,
}

struct Notes(Vec<Row>);

impl Notes {
    fn add(&mut self, at: *const u8, size: usize, form: &'static str, name: &str, holder: &str) {
        self.0.push(Row { masked: at as usize ^ MASK, size, form, name: name.into(), holder: holder.into() });
    }
    fn one<T>(&mut self, at: *const T, holder: &str) {
        self.add(at as *const u8, size_of::<T>(), "value", type_name::<T>(), holder);
    }
    fn many<T>(&mut self, v: &[T], holder: &str) {
        self.add(v.as_ptr() as *const u8, std::mem::size_of_val(v), "array", type_name::<T>(), holder);
    }
    fn text(&mut self, s: &str, holder: &str) {
        self.add(s.as_ptr(), s.len(), "array", "u8", holder);
    }
    // Behind two counts.
    fn counted<T>(&mut self, v: &[T], holder: &str) {
        let at = unsafe { (v.as_ptr() as *const u8).sub(16) };
        self.add(at, 16 + std::mem::size_of_val(v), "array", type_name::<T>(), holder);
    }
    fn write(&self, path: &str) {
        let mut out = String::new();
        for r in &self.0 {
            let holder = if r.holder.is_empty() { "-" } else { &r.holder };
            writeln!(out, "{:x}\t{}\t{}\t{}\t0\t{}", r.masked ^ MASK, r.size, r.form, r.name, holder).unwrap();
        }
        std::fs::write(path, out).unwrap();
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    article: u64,
    text: String,
}

fn line(i: usize) -> Line {
    Line { article: i as u64, text: format!("{}{}", "text of a line ".repeat(2 + i % 11), i) }
}

// As large as a line, and none.
struct Blank {
    _numbers: [u64; 4],
}

fn boxed(i: usize) -> Box<Line> {
    Box::new(line(i))
}

struct Shop {
    cell: Cell<Option<Box<Line>>>,
    list: RefCell<Vec<Line>>,
    locked: Mutex<HashMap<u64, Box<Line>>>,
    shared: RwLock<BTreeMap<u64, Box<Line>>>,
    once: OnceCell<Box<Line>>,
    later: OnceLock<Box<Line>>,
    unset: OnceLock<Box<Line>>,
    lazy: LazyLock<Vec<Line>>,
    unmade: LazyLock<Line, Box<dyn Fn() -> Line + Send>>,
    words: Arc<str>,
    lines: Rc<[Line]>,
    boxes: Arc<[Box<Line>]>,
    label: Box<str>,
    cow: Cow<'static, str>,
    plain: Cow<'static, str>,
    names: BTreeSet<String>,
    heap: BinaryHeap<Line>,
    chain: LinkedList<Line>,
    deep: Rc<RefCell<Vec<Rc<Cell<Option<Box<Line>>>>>>>,
    guarded: Arc<Mutex<Option<Box<Line>>>>,
}

static ONCE: OnceLock<Box<Line>> = OnceLock::new();
static NEVER: OnceLock<Box<Line>> = OnceLock::new();
static LAZY: LazyLock<Vec<Box<Line>>> = LazyLock::new(|| (0..20).map(boxed).collect());
static TABLE: Mutex<Option<Box<Line>>> = Mutex::new(None);
static MAPS: RwLock<BTreeMap<u64, Box<Line>>> = RwLock::new(BTreeMap::new());
static SHOP: OnceLock<usize> = OnceLock::new();
static mut STORE: Option<Box<Shop>> = None;

fn note_line(n: &mut Notes, l: &Line, holder: &str) {
    n.text(&l.text[..], holder);
}

#[inline(never)]
fn fill() -> Shop {
    let shop = Shop {
        cell: Cell::new(Some(boxed(1))),
        list: RefCell::new((0..24).map(line).collect()),
        locked: Mutex::new((0..24).map(|i| (i as u64, boxed(i))).collect()),
        shared: RwLock::new((0..7).map(|i| (i as u64, boxed(i))).collect()),
        once: OnceCell::new(),
        later: OnceLock::new(),
        unset: OnceLock::new(),
        lazy: LazyLock::new(|| (0..11).map(line).collect()),
        unmade: LazyLock::new({
            let one = boxed(4);
            Box::new(move || line(one.text.len()))
        }),
        words: Arc::from("what was said there, and heard by nobody at all"),
        lines: (0..9).map(line).collect(),
        boxes: (0..9).map(boxed).collect(),
        label: "a label that was written for all to read".into(),
        cow: Cow::Owned("a text of its own, which is not borrowed".to_string()),
        plain: Cow::Borrowed("one that is"),
        names: (0..9).map(|i| format!("a name among several others, number {i}")).collect(),
        heap: (0..16).map(line).collect(),
        chain: (0..9).map(line).collect(),
        deep: Rc::new(RefCell::new((0..5).map(|i| Rc::new(Cell::new(Some(boxed(i))))).collect())),
        guarded: Arc::new(Mutex::new(Some(boxed(3)))),
    };
    let _ = shop.once.set(boxed(2));
    let _ = shop.later.set(boxed(6));
    LazyLock::force(&shop.lazy);
    shop
}

// Where it would have a value lies what it had, or anything: nobody wrote there since.
fn leave_in(unset: &OnceLock<Box<Line>>, n: &mut Notes) {
    let like: OnceLock<Box<Line>> = OnceLock::from(boxed(0));
    let at = &**like.get().unwrap() as *const Line as usize;
    let words = |l: &OnceLock<Box<Line>>| l as *const _ as *mut usize;
    let blank = Box::into_raw(Box::new(Blank { _numbers: [0; 4] }));
    for i in 0..size_of::<OnceLock<Box<Line>>>() / size_of::<usize>() {
        if unsafe { *words(&like).add(i) } == at {
            unsafe { *words(unset).add(i) = blank as usize };
        }
    }
    n.one(blank, "");
}

fn note_shop(n: &mut Notes, shop: &Shop) {
    let one = unsafe { (*shop.cell.as_ptr()).as_ref().unwrap() };
    n.one(&**one, "STORE->cell");
    note_line(n, one, "");
    let list = shop.list.borrow();
    n.many(&list[..], "STORE->list");
    list.iter().enumerate().for_each(|(i, l)| note_line(n, l, if i == 5 { "STORE->list[5].text" } else { "" }));
    for (k, l) in shop.locked.lock().unwrap().iter() {
        n.one(&**l, if *k == 3 { "STORE->locked[3]" } else { "" });
        note_line(n, l, "");
    }
    for (k, l) in shop.shared.read().unwrap().iter() {
        n.one(&**l, if *k == 3 { "STORE->shared[3]" } else { "" });
        note_line(n, l, "");
    }
    n.one(&**shop.once.get().unwrap(), "STORE->once");
    n.one(&**shop.later.get().unwrap(), "STORE->later");
    note_line(n, shop.later.get().unwrap(), "STORE->later->text");
    n.many(&shop.lazy[..], "STORE->lazy");
    shop.lazy.iter().enumerate().for_each(|(i, l)| note_line(n, l, if i == 7 { "STORE->lazy[7].text" } else { "" }));
    leave_in(&shop.unset, n);
    n.counted(shop.words.as_bytes(), "STORE->words");
    n.counted(&shop.lines[..], "STORE->lines");
    shop.lines.iter().enumerate().for_each(|(i, l)| note_line(n, l, if i == 6 { "STORE->lines[6].text" } else { "" }));
    n.counted(&shop.boxes[..], "STORE->boxes");
    for (i, l) in shop.boxes.iter().enumerate() {
        n.one(&**l, if i == 4 { "STORE->boxes[4]" } else { "" });
        note_line(n, l, "");
    }
    n.text(&shop.label, "STORE->label");
    n.text(&shop.cow, "STORE->cow");
    shop.names.iter().for_each(|s| n.text(s, ""));
    shop.heap.iter().for_each(|l| note_line(n, l, ""));
    shop.chain.iter().for_each(|l| note_line(n, l, ""));
    for (i, cell) in shop.deep.borrow().iter().enumerate() {
        let one = unsafe { (*cell.as_ptr()).as_ref().unwrap() };
        n.one(&**one, if i == 2 { "STORE->deep[2]" } else { "" });
        note_line(n, one, "");
    }
    let guarded = shop.guarded.lock().unwrap();
    n.one(&**guarded.as_ref().unwrap(), "STORE->guarded");
}

fn note_statics(n: &mut Notes) {
    n.one(&**ONCE.get().unwrap(), "ONCE");
    note_line(n, ONCE.get().unwrap(), "ONCE->text");
    n.many(&LAZY[..], "LAZY");
    for (i, l) in LAZY.iter().enumerate() {
        n.one(&**l, if i == 13 { "LAZY[13]" } else { "" });
        note_line(n, l, "");
    }
    n.one(&**TABLE.lock().unwrap().as_ref().unwrap(), "TABLE");
    for (k, l) in MAPS.read().unwrap().iter() {
        n.one(&**l, if *k == 2 { "MAPS[2]" } else { "" });
        note_line(n, l, "");
    }
}

#[inline(never)]
fn prepare(path: &str) {
    let mut n = Notes(Vec::new());
    unsafe {
        STORE = Some(Box::new(fill()));
        let shop = (*(&raw const STORE)).as_ref().unwrap();
        n.one(&**shop, "STORE");
        note_shop(&mut n, shop);
    }
    let _ = ONCE.set(boxed(7));
    *TABLE.lock().unwrap() = Some(boxed(8));
    MAPS.write().unwrap().extend((0..5).map(|i| (i as u64, boxed(i))));
    let _ = SHOP.set(1);
    note_statics(&mut n);
    n.write(path);
}

#[inline(never)]
fn used() -> u64 {
    let shop = unsafe { (*(&raw const STORE)).as_ref().unwrap() };
    let sum = |l: &Line| l.article + l.text.len() as u64;
    NEVER.get().map_or(0, |l| sum(l)) + shop.unset.get().map_or(0, |l| sum(l)) + if shop.lines.len() > 100 { sum(&shop.unmade) } else { 0 } + shop.lines.iter().map(sum).sum::<u64>() + shop.heap.iter().map(sum).sum::<u64>()
        + shop.chain.iter().map(sum).sum::<u64>() + shop.boxes.iter().map(|l| sum(l)).sum::<u64>() + shop.plain.len() as u64
}

#[inline(never)]
fn wipe_stack() {
    let mut junk = [0u8; 1 << 16];
    std::hint::black_box(&mut junk);
}

fn main() {
    let path = std::env::args().nth(1).expect("a file for the truth");
    prepare(&path);
    wipe_stack();
    println!("ready {}", std::process::id());
    loop {
        std::thread::park();
        println!("{}", used());
    }
}
