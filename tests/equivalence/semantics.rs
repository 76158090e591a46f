//! What the core relies on in RE2 and Go, asked of the real Prometheus.
