// The schemas of the products for which there are resources under `envoy/`, with requirements.txt in the only place that names their
// versions: each the current release. `.ci/setup schemas` downloads these modules and takes the custom resource definitions out, and
// builds kustomize.
module prom-label-filter/tests/schemas

go 1.25.0

require (
	github.com/envoyproxy/gateway v1.9.1 // with the Gateway API's, 1.6.1
	istio.io/api v1.32.0
	sigs.k8s.io/kustomize/kustomize/v5 v5.8.0 // later ones want a Go of their own
)
