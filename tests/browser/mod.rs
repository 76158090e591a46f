//! The pages of Thanos and Prometheus through the filter, in a browser.
