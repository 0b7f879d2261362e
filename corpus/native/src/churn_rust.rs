// churn_rust - a Rust program on the global allocator that its features name, with truth.
//
// Threads grow and drop vectors, strings and maps; what a wrapper of the allocator logged in a
// mapping of its own, addresses masked, is written out before all threads park.
use std::alloc::{GlobalAlloc, Layout};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Barrier, Mutex};

const MASK: usize = 0xa5a5a5a5a5a5a5a5;
const EVENTS: usize = 1 << 20;

struct Logged;

#[global_allocator]
static GLOBAL: Logged = Logged;
#[cfg(feature = "jemalloc")]
static INNER: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
#[cfg(feature = "mimalloc")]
static INNER: mimalloc::MiMalloc = mimalloc::MiMalloc;
#[cfg(not(any(feature = "jemalloc", feature = "mimalloc")))]
static INNER: std::alloc::System = std::alloc::System;
static LOG: AtomicPtr<[usize; 2]> = AtomicPtr::new(std::ptr::null_mut());
static N: AtomicUsize = AtomicUsize::new(0);

fn log(block: usize, size_op: usize) {
    let mut at = LOG.load(Ordering::Acquire);
    if at.is_null() {
        let fresh = unsafe {
            libc::mmap(std::ptr::null_mut(), EVENTS * 16, libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) as *mut [usize; 2]
        };
        unsafe { libc::madvise(fresh as *mut _, EVENTS * 16, libc::MADV_DONTDUMP) };
        match LOG.compare_exchange(std::ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => at = fresh,
            Err(other) => at = other,
        }
    }
    let i = N.fetch_add(1, Ordering::Relaxed);
    if i >= EVENTS {
        std::process::abort();
    }
    unsafe { *at.add(i) = [block ^ MASK, size_op] };
}

unsafe impl GlobalAlloc for Logged {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = INNER.alloc(layout);
        log(block as usize, layout.size() << 1 | 1);
        block
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        log(block as usize, 0);
        INNER.dealloc(block, layout)
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = INNER.alloc_zeroed(layout);
        log(block as usize, layout.size() << 1 | 1);
        block
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        log(block as usize, 0);
        let moved = INNER.realloc(block, layout, size);
        log(moved as usize, size << 1 | 1);
        moved
    }
}

static HELD: Mutex<Vec<HashMap<u64, Vec<u8>>>> = Mutex::new(Vec::new());

fn work(number: u64, to: mpsc::Sender<Vec<u8>>) {
    let mut map = HashMap::new();
    let mut tree = BTreeMap::new();
    for i in 0..400u64 {
        let size = ((i * 7919 + number * 104729) % 1900 + 1) as usize;
        map.insert(i, vec![number as u8; size]);
        tree.insert(i * 31, format!("{number}/{i}"));
        if i % 3 == 0 {
            map.remove(&(i / 2));
        }
        if i % 5 == 0 {
            to.send(vec![1; size * 3]).unwrap();
        }
    }
    HELD.lock().unwrap().push(map);
    Box::leak(Box::new(tree));
}

fn write_truth(path: &str) {
    let mut live = std::collections::HashMap::new();
    let n = N.load(Ordering::Acquire);
    let log = LOG.load(Ordering::Acquire);
    for i in 0..n {
        let [masked, size_op] = unsafe { *log.add(i) };
        if size_op & 1 == 1 {
            live.insert(masked, size_op >> 1);
        } else {
            live.remove(&masked);
        }
    }
    let mut text = String::new();
    for (masked, size) in &live {
        text.push_str(&format!("{:x}\t{size}\tOTHER\tunknown\n", masked ^ MASK));
    }
    text.push_str("#total\tcomplete\t1\n");
    std::fs::write(path, text).unwrap();
}

fn main() {
    let path = std::env::args().nth(1).expect("churn_rust TRUTH");
    let (to, from) = mpsc::channel();
    let parked = Arc::new(Barrier::new(5));
    for number in 0..4 {
        let (to, parked) = (to.clone(), parked.clone());
        std::thread::spawn(move || {
            work(number, to);
            parked.wait();
            loop {
                std::thread::park();
            }
        });
    }
    drop(to);
    for (i, block) in from.iter().take(320).enumerate() {
        if i % 2 == 0 {
            std::mem::forget(block);
        }
    }
    parked.wait();
    std::thread::sleep(std::time::Duration::from_millis(100));
    println!("ready {}", std::process::id());
    std::io::stdout().flush().unwrap();
    // What the truth is made of is gone again when it is written; the log says so too.
    write_truth(&path);
    write_truth(&path);
    loop {
        unsafe { libc::pause() };
    }
}
