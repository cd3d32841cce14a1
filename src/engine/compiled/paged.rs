//! A value for each rule, of which a request comes to a few only: making and dropping all of them would cost more than
//! many a policy.

use std::cell::OnceCell;

/// The values of this many rules are made together.
const PAGE: usize = 16;

/// A value for each position. Those that nobody asked for do not exist.
pub struct Paged<T> {
    pages: Vec<OnceCell<Box<[T]>>>,
    length: usize,
}

impl<T: Default> Paged<T> {
    /// A value for each of so many positions.
    pub fn new(length: usize) -> Self {
        let pages = std::iter::repeat_with(OnceCell::new).take(length.div_ceil(PAGE)).collect();
        Self { pages, length }
    }

    /// None if there is no such position.
    pub fn get(&self, position: usize) -> Option<&T> {
        let page = self.pages.get(position / PAGE).filter(|_| position < self.length)?;
        let make = || std::iter::repeat_with(T::default).take(PAGE).collect();
        page.get_or_init(make).get(position % PAGE)
    }

    /// The value of a position that somebody asked for.
    pub fn get_mut(&mut self, position: usize) -> Option<&mut T> {
        self.pages.get_mut(position / PAGE)?.get_mut()?.get_mut(position % PAGE)
    }
}
