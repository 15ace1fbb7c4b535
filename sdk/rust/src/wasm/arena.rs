//! Memory for handlers: an arena that is used up and never freed, then the
//! standard allocator.
//!
//! Each event is handled in a fresh instance, so what a handler allocates dies
//! with it anyway. What counts is not to grow the instance's memory: each growth
//! has the host change memory protections, which interrupts all of its threads
//! and costs more than a short handler itself. The arena is part of the memory
//! that the module starts with; a page of it that isn't touched costs nothing.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by nature; a mistake here harms the plugin alone, inside its sandbox"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;

/// The arena's size in bytes: enough for a handler that parses a usual event.
const SIZE: usize = 128 * 1024;

/// The bytes, and how many of them are used.
#[repr(C, align(16))]
struct Arena {
    bytes: UnsafeCell<[u8; SIZE]>,
    used: UnsafeCell<usize>,
}

// SAFETY: a component's instance has one thread.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena = Arena {
    bytes: UnsafeCell::new([0; SIZE]),
    used: UnsafeCell::new(0),
};

impl Arena {
    fn holds(&self, at: *mut u8) -> bool {
        (self.bytes.get() as usize..self.bytes.get() as usize + SIZE).contains(&(at as usize))
    }

    /// Whether the block was the last to be allocated.
    fn is_last(&self, at: *mut u8, size: usize) -> bool {
        // SAFETY: one thread, and no reference is kept.
        at as usize + size == self.bytes.get() as usize + unsafe { *self.used.get() }
    }
}

// SAFETY: a block lies in the arena, above all blocks before it and aligned, or
// comes from the standard allocator; its address tells which.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = self.used.get();
        let base = self.bytes.get() as usize;
        // SAFETY: one thread, and no reference is kept.
        let start = (base + unsafe { *used }).next_multiple_of(layout.align()) - base;
        match start.checked_add(layout.size()) {
            Some(end) if end <= SIZE => {
                // SAFETY: as above; `start` is inside the arena.
                unsafe {
                    *used = end;
                    self.bytes.get().cast::<u8>().add(start)
                }
            }
            // SAFETY: the caller's promises are passed on.
            _ => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if !self.holds(at) {
            // SAFETY: not from the arena, so from the standard allocator.
            unsafe { System.dealloc(at, layout) };
        } else if self.is_last(at, layout.size()) {
            // SAFETY: one thread, and no reference is kept.
            unsafe { *self.used.get() -= layout.size() };
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !self.holds(at) {
            // SAFETY: not from the arena, so from the standard allocator.
            return unsafe { System.realloc(at, layout, size) };
        }
        let start = at as usize - self.bytes.get() as usize;
        if self.is_last(at, layout.size()) && start.saturating_add(size) <= SIZE {
            // SAFETY: one thread; the block stays where it is and grows into
            // what is free, or gives back its end.
            unsafe { *self.used.get() = start + size };
            return at;
        }
        // SAFETY: the new block has the old one's alignment, which is valid, and
        // the two don't overlap.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(at, moved, layout.size().min(size));
            }
            moved
        }
    }
}
