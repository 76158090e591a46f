//! The pages of Thanos and Prometheus through the filter, in a browser.

mod prometheus;
mod thanos;
mod tour;
mod visit;
mod world;
