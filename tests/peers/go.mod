// The peers that the tests run, in the only place that names their versions: each the current release.
//
// `tests/peers/build` builds each of them inside its own module, with the versions and replacements that its release was
// tested with. Built together, as tools of this module, they would share their libraries: the newest Prometheus's would
// be Thanos's too, which does not compile. So this file is not tidied, and go.sum holds these five.
module prom-label-filter/tests/peers

go 1.25.0

require (
	github.com/prometheus-community/prom-label-proxy v0.14.0
	github.com/prometheus/alertmanager v0.34.2
	github.com/prometheus/prometheus v0.316.0 // 3.16.0; its pages: v0.315.0, those of 3.16 name packages that npm does not have
	github.com/thanos-io/thanos v0.42.5
	istio.io/istio v0.0.0-20260827124520-eed52ebb66ad // 1.31: the releases of its module cannot be had
)
