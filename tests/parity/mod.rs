//! The same requests through prom-label-proxy and through the filter.
