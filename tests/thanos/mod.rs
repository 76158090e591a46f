//! A real Thanos behind the filter.
