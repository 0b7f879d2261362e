// borrowed.rs - blocks that only arguments in registers lead to: slices and strings, which are two words, and a box.
//
//	borrowed TRUTH	writes the truth, prints "ready PID", waits to be dumped
//
// Callers have them as numbers: what they are the arguments of the functions that wait tell.

use std::hint::black_box;
use std::io::Write as _;
use std::mem::size_of;

const MASK: usize = 0xa5a5_a5a5_a5a5_a5a5;

struct Part {
    id: u64,
    text: String,
}

struct Lamp {
    watts: u64,
    place: String,
    payload: [u64; 7],
}

type Rows = Vec<(usize, usize, &'static str, &'static str, &'static str)>;

fn note(rows: &mut Rows, at: usize, size: usize, form: &'static str, kind: &'static str, holder: &'static str) {
    rows.push((at ^ MASK, size, form, kind, holder));
}

fn text(rows: &mut Rows, s: &str, holder: &'static str) -> String {
    let copy = s.to_string();
    note(rows, copy.as_ptr() as usize, s.len(), "array", "u8", holder);
    copy
}

#[inline(never)]
fn stops(path: &str, rows: &Rows, n: u64) -> u64 {
    let mut file = std::fs::File::create(path).unwrap();
    for (at, size, form, kind, holder) in rows {
        writeln!(file, "{:x}\t{size}\t{form}\t{kind}\t0\t{holder}", at ^ MASK).unwrap();
    }
    drop(file);
    println!("ready {}", std::process::id());
    while black_box(n) > 0 {
        std::thread::park();
    }
    n
}

#[inline(never)]
fn of_parts(n: u64, parts: &[Part], path: &str, rows: &Rows) -> u64 {
    let sum = stops(path, rows, n + black_box(parts)[0].id + parts[0].text.len() as u64);
    sum + black_box(parts).len() as u64
}

#[inline(never)]
fn of_words(n: u64, words: &str, parts: (usize, usize), path: &str, rows: &Rows) -> u64 {
    let slice = unsafe { std::slice::from_raw_parts(parts.0 as *const Part, parts.1) };
    let sum = of_parts(n, slice, path, rows);
    sum + black_box(words).len() as u64
}

#[inline(never)]
fn of_lamp(lamp: Box<Lamp>, parts: (usize, usize), words: (usize, usize), path: &str, rows: &Rows) -> u64 {
    let s = unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(words.0 as *const u8, words.1)) };
    let sum = of_words(1, s, parts, path, rows);
    sum + black_box(&lamp).watts + lamp.place.len() as u64 + lamp.payload[0]
}

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let mut rows = Rows::new();
    let mut parts = Vec::with_capacity(5);
    for id in 0..5 {
        let holder = if id == 3 { "parts[3].text" } else { "-" };
        parts.push(Part { id, text: text(&mut rows, "what is written on one of the parts", holder) });
    }
    let parts = parts.leak();
    note(&mut rows, parts.as_ptr() as usize, size_of::<[Part; 5]>(), "array", "borrowed::Part", "parts");
    let words = text(&mut rows, "words that nobody but one function has as such", "-").leak();
    let lamp = Box::new(Lamp { watts: 40, place: text(&mut rows, "where the lamp is, in words", "-"), payload: [7; 7] });
    note(&mut rows, &raw const *lamp as usize, size_of::<Lamp>(), "value", "borrowed::Lamp", "-");
    let (parts, words) = ((parts.as_ptr() as usize, parts.len()), (words.as_ptr() as usize, words.len()));
    let sum = of_lamp(lamp, black_box(parts), black_box(words), &path, &rows);
    println!("{sum}");
}
