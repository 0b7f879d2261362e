// rusty.rs - what Rust's standard library keeps where, rings of Rc and Arc that nobody holds, and healthy twins.
//
//	rusty TRUTH	writes the truth, prints "ready PID", waits to be dumped
//
// Rows are those of types.h; of counted blocks (the form `count`) they are those of refcounts.cpp: leaked, held
// or healthy in the place of the type.

use std::any::type_name;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::mem::size_of;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex, RwLock};

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
    fn many<T>(&mut self, v: &Vec<T>, holder: &str) {
        if v.capacity() > 0 {
            self.add(v.as_ptr() as *const u8, v.capacity() * size_of::<T>(), "array", type_name::<T>(), holder);
        }
    }
    fn text(&mut self, s: &String, holder: &str) {
        if s.capacity() > 0 {
            self.add(s.as_ptr(), s.capacity(), "array", "u8", holder);
        }
    }
    fn rc<T>(&mut self, p: &Rc<T>, what: &str, ring: &str) {
        let at = (Rc::as_ptr(p) as usize & !0) as *const u8;
        let head = 16usize.max(std::mem::align_of::<T>());
        self.add(unsafe { at.sub(head) }, head + size_of::<T>(), "count", what, ring);
    }
    fn arc<T>(&mut self, p: &Arc<T>, what: &str, ring: &str) {
        let head = 16usize.max(std::mem::align_of::<T>());
        self.add(unsafe { (Arc::as_ptr(p) as *const u8).sub(head) }, head + size_of::<T>(), "count", what, ring);
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

struct Line {
    article: u64,
    text: String,
    note: Option<String>,
}

enum Shape {
    Circle(f64),
    Named { name: String, sides: u32 },
    Many(Vec<u64>),
    Boxed(Box<Line>),
    Nothing,
}

trait Speak {
    fn words(&self) -> usize;
}

struct Dog {
    name: String,
    age: [u64; 5],
}

struct Cat {
    lines: Vec<Line>,
}

impl Speak for Dog {
    fn words(&self) -> usize {
        self.name.len() + self.age[0] as usize
    }
}

impl Speak for Cat {
    fn words(&self) -> usize {
        self.lines.iter().map(|l| l.article as usize + l.text.len()).sum()
    }
}

struct Shop {
    lines: Vec<Line>,
    boxed: Vec<Box<Line>>,
    by_name: HashMap<String, Line>,
    by_number: BTreeMap<u64, Box<Line>>,
    queue: VecDeque<Line>,
    names: HashSet<String>,
    shapes: Vec<Shape>,
    speakers: Vec<Box<dyn Speak>>,
    grid: Vec<Vec<Option<Box<Line>>>>,
    slice: Box<[Line]>,
    first: Option<Box<Line>>,
}

fn line(i: usize) -> Line {
    Line {
        article: i as u64,
        text: format!("{}{}", "text ".repeat(3 + i % 11), i),
        note: if i % 2 == 0 { Some(format!("a note of some length {i}")) } else { None },
    }
}

fn note_line(n: &mut Notes, l: &Line, holder: &str) {
    n.text(&l.text, holder);
    if let Some(s) = &l.note {
        n.text(s, "");
    }
}

#[inline(never)]
fn fill() -> Shop {
    let mut shop = Shop {
        lines: (0..40).map(line).collect(),
        boxed: (0..40).map(|i| Box::new(line(i))).collect(),
        by_name: (0..40).map(|i| (format!("the name of line {i}"), line(i))).collect(),
        by_number: (0..200).map(|i| (i as u64, Box::new(line(i)))).collect(),
        queue: VecDeque::with_capacity(64),
        names: (0..40).map(|i| format!("just a name, number {i}")).collect(),
        shapes: Vec::with_capacity(64),
        speakers: Vec::new(),
        grid: Vec::new(),
        slice: (0..9).map(line).collect(),
        first: Some(Box::new(line(4))),
    };
    for i in 0..90 {
        shop.queue.push_back(line(i));
        if i >= 40 {
            shop.queue.pop_front();
        }
    }
    for i in 0..10 {
        shop.shapes.push(Shape::Circle(i as f64));
        shop.shapes.push(Shape::Named { name: format!("a shape with a name {i}"), sides: i });
        shop.shapes.push(Shape::Many((0..20 + i as u64).collect()));
        shop.shapes.push(Shape::Boxed(Box::new(line(i as usize))));
        shop.shapes.push(Shape::Nothing);
        shop.speakers.push(Box::new(Dog { name: format!("a dog with a name {i}"), age: [1; 5] }));
        shop.speakers.push(Box::new(Cat { lines: (0..3).map(line).collect() }));
        shop.grid.push((0..7).map(|k| if k % 2 == 0 { Some(Box::new(line(k))) } else { None }).collect());
    }
    shop
}

#[inline(never)]
fn note_shop(n: &mut Notes, s: &Shop) {
    n.many(&s.lines, "SHOP->lines");
    for (i, l) in s.lines.iter().enumerate() {
        note_line(n, l, if i == 3 { "SHOP->lines[3].text" } else { "" });
    }
    n.many(&s.boxed, "SHOP->boxed");
    for (i, l) in s.boxed.iter().enumerate() {
        n.one(&**l, if i == 7 { "SHOP->boxed[7]" } else { "" });
        note_line(n, l, if i == 7 { "SHOP->boxed[7]->text" } else { "" });
    }
    for (k, l) in &s.by_name {
        n.text(k, "");
        note_line(n, l, if l.article == 5 { "SHOP->by_name[...].text" } else { "" });
    }
    for l in s.by_number.values() {
        n.one(&**l, if l.article == 5 { "SHOP->by_number[...]" } else { "" });
        note_line(n, l, "");
    }
    for l in &s.queue {
        note_line(n, l, "");
    }
    for k in &s.names {
        n.text(k, "");
    }
    n.many(&s.shapes, "SHOP->shapes");
    for shape in &s.shapes {
        match shape {
            Shape::Named { name, sides } => n.text(name, if *sides == 2 { "SHOP->shapes[11].Named.name" } else { "" }),
            Shape::Many(v) => n.many(v, ""),
            Shape::Boxed(l) => {
                n.one(&**l, "");
                note_line(n, l, "");
            }
            Shape::Circle(_) | Shape::Nothing => (),
        }
    }
    n.many(&s.speakers, "SHOP->speakers");
    n.many(&s.grid, "SHOP->grid");
    for row in &s.grid {
        n.many(row, "");
        for l in row.iter().flatten() {
            n.one(&**l, "");
            note_line(n, l, "");
        }
    }
    n.add(s.slice.as_ptr() as *const u8, s.slice.len() * size_of::<Line>(), "array", type_name::<Line>(), "SHOP->slice");
    for l in &s.slice {
        note_line(n, l, "");
    }
    n.one(&**s.first.as_ref().unwrap(), "SHOP->first");
}

#[inline(never)]
fn note_speakers(n: &mut Notes, s: &Shop) {
    for p in &s.speakers {
        let at = &**p as *const dyn Speak as *const u8;
        if p.words() > 1000 {
            continue;
        }
        // The vtable's second word is the size of the type.
        let size = std::mem::size_of_val(&**p);
        if size == size_of::<Dog>() {
            n.one(at as *const Dog, "");
            n.text(unsafe { &(*(at as *const Dog)).name }, "");
        } else {
            let cat = unsafe { &*(at as *const Cat) };
            n.one(cat, "");
            n.many(&cat.lines, "");
            for l in &cat.lines {
                note_line(n, l, "");
            }
        }
    }
}

// ---- taken out

struct Visit {
    day: u64,
    stub: Box<[u64; 5]>,
}

/// What is taken out of these leaves its bytes where it was.
struct Left {
    visits: Vec<Visit>,
    past: VecDeque<Visit>,
    by_day: HashMap<u64, Visit>,
}

impl Notes {
    fn stub(&mut self, v: &Visit, holder: &str) {
        self.add(v.stub.as_ptr() as *const u8, 40, "array", "u64", holder);
    }
}

#[inline(never)]
fn fill_left(n: &mut Notes) -> Left {
    let mut left = Left { visits: Vec::with_capacity(8), past: VecDeque::with_capacity(8), by_day: HashMap::new() };
    let visit = |day| Visit { day, stub: Box::new([day; 5]) };
    for day in 0..6 {
        left.visits.push(visit(day));
        left.past.push_back(visit(day));
        left.by_day.insert(day, visit(day));
    }
    n.stub(&left.visits[2], "LEFT->visits[2].stub");
    n.stub(&left.past[3], "LEFT->past[3].stub");
    n.stub(&left.by_day[&2], "LEFT->by_day[...].stub");
    let taken = [
        (left.visits.pop(), "visits[5 unused]"),
        (left.past.pop_front(), "past[0 unused]"),
        (left.past.pop_front(), "past[1 unused]"),
        (left.past.pop_back(), "past[5 unused]"),
        (left.by_day.remove(&4), "by_day[unused]"),
    ];
    for (visit, place) in taken {
        let visit = visit.unwrap();
        n.stub(&visit, &format!("LEFT->{place}{}", if place.ends_with("[unused]") { "" } else { ".stub" }));
        std::mem::forget(visit);
    }
    left
}

// ---- counted

#[derive(Default)]
struct Parent {
    children: RefCell<Vec<Rc<Child>>>,
    by_name: RefCell<HashMap<String, Rc<Child>>>,
    by_number: RefCell<BTreeMap<u32, Rc<Child>>>,
    queue: RefCell<VecDeque<Rc<Child>>>,
}

struct Child {
    parent: RefCell<Option<Rc<Parent>>>,
    aside: RefCell<Weak<Parent>>,
    id: u64,
}

struct Twin {
    children: RefCell<Vec<Rc<WeakChild>>>,
}

struct WeakChild {
    parent: RefCell<Weak<Twin>>,
    id: u64,
}

enum Link {
    Nil(u64),
    Next(Rc<Node>),
    Back(Weak<Node>),
}

struct Node {
    link: RefCell<Link>,
    id: u64,
}

trait Part {
    fn id(&self) -> u64;
}

struct Wheel {
    of: RefCell<Option<Rc<dyn Part>>>,
    id: u64,
}

impl Part for Wheel {
    fn id(&self) -> u64 {
        self.id + self.of.borrow().is_some() as u64
    }
}

struct Shared {
    next: Mutex<Option<Arc<Shared>>>,
    id: u64,
}

trait Turning: Send + Sync {
    fn turns(&self) -> u64;
}

struct Spoke {
    of: Mutex<Option<Arc<dyn Turning>>>,
    id: u64,
}

struct Hub {
    spokes: RwLock<Vec<Arc<dyn Turning>>>,
    name: String,
}

impl Turning for Spoke {
    fn turns(&self) -> u64 {
        self.id + self.of.lock().unwrap().is_some() as u64
    }
}

impl Turning for Hub {
    fn turns(&self) -> u64 {
        self.spokes.read().unwrap().len() as u64 + self.name.len() as u64
    }
}

struct Knot {
    ties: Vec<Rc<RefCell<Knot>>>,
    id: u64,
}

fn new_child(n: &mut Notes, p: &Rc<Parent>, what: &str, ring: &str) -> Rc<Child> {
    let c = Rc::new(Child {
        parent: RefCell::new(Some(p.clone())),
        aside: RefCell::new(Rc::downgrade(p)),
        id: p.children.borrow().len() as u64,
    });
    n.rc(&c, what, ring);
    c
}

fn new_parent(n: &mut Notes, kind: usize, what: &str, ring: &str) -> Rc<Parent> {
    let p = Rc::new(Parent::default());
    n.rc(&p, what, ring);
    for i in 0..5 {
        let c = new_child(n, &p, what, ring);
        match kind {
            0 => p.children.borrow_mut().push(c),
            1 => drop(p.by_name.borrow_mut().insert(i.to_string(), c)),
            2 => drop(p.by_number.borrow_mut().insert(i, c)),
            _ => p.queue.borrow_mut().push_back(c),
        }
    }
    p
}

fn new_ring(n: &mut Notes, count: usize, what: &str, ring: &str) -> Rc<Node> {
    let first = Rc::new(Node { link: RefCell::new(Link::Nil(7)), id: 0 });
    let mut last = first.clone();
    n.rc(&first, what, ring);
    for i in 1..count {
        let node = Rc::new(Node { link: RefCell::new(Link::Nil(8)), id: i as u64 });
        n.rc(&node, what, ring);
        *last.link.borrow_mut() = Link::Next(node.clone());
        last = node;
    }
    *last.link.borrow_mut() = Link::Next(first.clone());
    first
}

#[inline(never)]
fn leak(n: &mut Notes) {
    for i in 0..8 {
        new_parent(n, i % 4, "leaked", &format!("parent#{i}"));
    }
    for i in 0..4 {
        new_ring(n, i + 1, "leaked", &format!("ring#{i}"));
    }
    for i in 0..3 {
        let a = Arc::new(Shared { next: Mutex::new(None), id: i });
        let b = Arc::new(Shared { next: Mutex::new(Some(a.clone())), id: i });
        let ring = format!("arc#{i}");
        n.arc(&a, "leaked", &ring);
        n.arc(&b, "leaked", &ring);
        *a.next.lock().unwrap() = Some(b);
    }
    for i in 0..2 {
        let a = Rc::new(Wheel { of: RefCell::new(None), id: i });
        let b = Rc::new(Wheel { of: RefCell::new(Some(a.clone())), id: i });
        let ring = format!("dyn#{i}");
        n.rc(&a, "leaked", &ring);
        n.rc(&b, "leaked", &ring);
        *a.of.borrow_mut() = Some(b);
    }
}

#[inline(never)]
fn leak_a_few(n: &mut Notes, i: usize) {
    let hub = Arc::new(Hub { spokes: RwLock::new(Vec::new()), name: format!("a hub with a name {i}") });
    let ring = format!("hub#{i}");
    n.arc(&hub, "leaked", &ring);
    for k in 0..3 {
        let spoke = Arc::new(Spoke { of: Mutex::new(Some(hub.clone())), id: k });
        n.arc(&spoke, "leaked", &ring);
        hub.spokes.write().unwrap().push(spoke);
    }
    let knots: Vec<_> = (0..2 + i).map(|k| Rc::new(RefCell::new(Knot { ties: Vec::new(), id: k as u64 }))).collect();
    for (k, knot) in knots.iter().enumerate() {
        n.rc(knot, "leaked", &format!("knot#{i}"));
        knot.borrow_mut().ties.push(knots[(k + 1) % knots.len()].clone());
    }
    let node = new_ring(n, 2 + i, "leaked", &format!("thread-ring#{i}"));
    let arc = Arc::new(Shared { next: Mutex::new(None), id: node.id });
    n.arc(&arc, "leaked", &format!("thread-arc#{i}"));
    *arc.next.lock().unwrap() = Some(arc.clone());
}

/// Each made by a thread that is gone, which wipes nothing.
fn leak_in_threads(n: &mut Notes) {
    for i in 0..3 {
        let rows = std::thread::spawn(move || {
            let mut n = Notes(Vec::new());
            leak_a_few(&mut n, i);
            n.0
        });
        n.0.extend(rows.join().unwrap());
    }
}

/// Nothing but weak references keeps the memory of what is no more.
#[derive(Default)]
struct Outlived {
    nodes: Vec<Weak<Node>>,
    knots: Vec<Weak<RefCell<Knot>>>,
    turning: Vec<std::sync::Weak<dyn Turning>>,
    said: Vec<Weak<Said>>,
    instead: Vec<usize>,
}

struct Said {
    text: String,
}

/// The text goes with what said it; something without a type has its memory now.
fn say(n: &mut Notes, outlived: &mut Outlived) {
    let said = Rc::new(Said { text: "a text that is gone, and was long enough".to_string() });
    let size = said.text.len();
    outlived.said.push(Rc::downgrade(&said));
    drop(said);
    let instead = Box::into_raw(vec![0x11u8; size].into_boxed_slice()) as *mut u8;
    n.add(instead, size, "value", "no type", "");
    outlived.instead.push(instead as usize);
}

#[inline(never)]
fn outlive(n: &mut Notes) -> Outlived {
    let mut outlived = Outlived::default();
    for i in 0..4 {
        let first = Rc::new(Node { link: RefCell::new(Link::Nil(1)), id: i });
        let second = Rc::new(Node { link: RefCell::new(Link::Back(Rc::downgrade(&first))), id: i });
        let knot = Rc::new(RefCell::new(Knot { ties: Vec::new(), id: i }));
        let spoke = Arc::new(Spoke { of: Mutex::new(None), id: i });
        n.rc(&first, "healthy", "outlived#0");
        n.rc(&second, "healthy", "outlived#0");
        n.rc(&knot, "healthy", "outlived#0");
        n.arc(&spoke, "healthy", "outlived#0");
        outlived.nodes.extend([Rc::downgrade(&first), Rc::downgrade(&second)]);
        outlived.knots.push(Rc::downgrade(&knot));
        let turning: Arc<dyn Turning> = spoke;
        outlived.turning.push(Arc::downgrade(&turning));
        *first.link.borrow_mut() = Link::Next(second);
        say(n, &mut outlived);
    }
    outlived
}

struct Held {
    parents: Vec<Rc<Parent>>,
    nodes: HashMap<u32, Rc<Node>>,
    arcs: Option<Arc<Shared>>,
    twins: Vec<Rc<Twin>>,
    child: Option<Rc<Child>>,
    back: Vec<Rc<Node>>,
    outlived: Outlived,
}

#[inline(never)]
fn hold(n: &mut Notes) -> Held {
    let mut held = Held {
        parents: (0..4).map(|i| new_parent(n, i, "held", &format!("held-parent#{i}"))).collect(),
        nodes: (0..3).map(|i| (i, new_ring(n, i as usize + 1, "held", &format!("held-ring#{i}")))).collect(),
        arcs: None,
        twins: Vec::new(),
        child: None,
        back: Vec::new(),
        outlived: outlive(n),
    };
    let a = Arc::new(Shared { next: Mutex::new(None), id: 1 });
    n.arc(&a, "held", "held-arc#0");
    *a.next.lock().unwrap() = Some(a.clone());
    held.arcs = Some(a);
    for i in 0..10 {
        let twin = Rc::new(Twin { children: RefCell::new(Vec::new()) });
        n.rc(&twin, "healthy", "twin#0");
        for k in 0..3 {
            let c = Rc::new(WeakChild { parent: RefCell::new(Rc::downgrade(&twin)), id: i * k });
            n.rc(&c, "healthy", "twin#0");
            twin.children.borrow_mut().push(c);
        }
        held.twins.push(twin);
    }
    // One taken out of a vector: its word is still there, behind the end.
    let p = Rc::new(Parent::default());
    n.rc(&p, "healthy", "popped#0");
    let c = new_child(n, &p, "healthy", "popped#0");
    p.children.borrow_mut().push(c);
    held.child = p.children.borrow_mut().pop();
    // A way back that is weak.
    let first = Rc::new(Node { link: RefCell::new(Link::Nil(1)), id: 1 });
    let second = Rc::new(Node { link: RefCell::new(Link::Back(Rc::downgrade(&first))), id: 2 });
    n.rc(&first, "healthy", "back#0");
    n.rc(&second, "healthy", "back#0");
    *first.link.borrow_mut() = Link::Next(second);
    held.back.push(first);
    held
}

static mut SHOP: Option<Box<Shop>> = None;
static mut HELD: Option<Box<Held>> = None;
static mut LEFT: Option<Box<Left>> = None;

#[inline(never)]
fn wipe_stack() {
    let mut junk = [0u8; 1 << 16];
    std::hint::black_box(&mut junk);
}

#[inline(never)]
fn prepare(path: &str) {
    let mut n = Notes(Vec::new());
    leak(&mut n);
    leak_in_threads(&mut n);
    unsafe {
        SHOP = Some(Box::new(fill()));
        HELD = Some(Box::new(hold(&mut n)));
        let shop = (*(&raw const SHOP)).as_ref().unwrap();
        LEFT = Some(Box::new(fill_left(&mut n)));
        n.one(&**shop, "SHOP");
        note_shop(&mut n, shop);
        note_speakers(&mut n, shop);
    }
    n.write(path);
}

#[inline(never)] // its frame would be main's, with what lay there before
fn used() -> u64 {
    let held = unsafe { (*(&raw const HELD)).as_ref().unwrap() };
    let shop = unsafe { (*(&raw const SHOP)).as_ref().unwrap() };
    let ids = held.parents.iter().map(|p| p.children.borrow().iter().map(|c| c.id).sum::<u64>()).sum::<u64>();
    let links = held.nodes.values().chain(&held.back).map(|n| match &*n.link.borrow() {
        Link::Nil(v) => *v,
        Link::Next(next) => next.id,
        Link::Back(back) => back.strong_count() as u64,
    });
    let twins = held.twins.iter().map(|t| t.children.borrow().iter().map(|c| c.id + c.parent.borrow().strong_count() as u64).sum::<u64>());
    let aside = held.child.as_ref().map_or(0, |c| c.aside.borrow().strong_count() + c.parent.borrow().is_some() as usize);
    let shapes = shop.shapes.iter().map(|s| match s {
        Shape::Circle(r) => *r as u64,
        Shape::Named { sides, .. } => *sides as u64,
        _ => 0,
    });
    let arcs = held.arcs.as_ref().map_or(0, |a| a.id);
    let wheel: Rc<dyn Part> = Rc::new(Wheel { of: RefCell::new(None), id: 1 });
    let gone = &held.outlived;
    let outlived = gone.nodes.iter().filter_map(|w| w.upgrade()).map(|n| n.id).sum::<u64>()
        + gone.knots.iter().filter_map(|w| w.upgrade()).map(|k| k.borrow().id + k.borrow().ties.len() as u64).sum::<u64>()
        + gone.turning.iter().filter_map(|w| w.upgrade()).map(|t| t.turns()).sum::<u64>();
    let left = unsafe { (*(&raw const LEFT)).as_ref().unwrap() };
    let visits = left.visits.iter().chain(&left.past).chain(left.by_day.values()).map(|v| v.day + v.stub[0]);
    visits.sum::<u64>() + outlived + ids + links.sum::<u64>() + twins.sum::<u64>() + aside as u64 + shapes.sum::<u64>() + arcs + wheel.id()
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
