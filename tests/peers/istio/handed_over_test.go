// What Istio's control plane makes of resources: the filters of each chain, the connection manager of the HTTP port, its routes and
// the extensions. `tests/peers/build istio` compiles this inside Istio's own module, with the discovery server of its tests, which has
// the code of istiod and a pretended Kubernetes.
//
//	PLF_RESOURCES=resources.yaml PLF_PROXY=sidecar|gateway PLF_OUT=out.json istio -test.run HandedOver

package handedover

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/testcerts"
	"istio.io/istio/pkg/util/protomarshal"
)

// The cluster around the resources: who they are for.
const cluster = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: istio.io/gateway-controller}
---
apiVersion: v1
kind: Secret
metadata: {name: metrics-tls, namespace: metrics}
type: kubernetes.io/tls
data: {tls.crt: CERTIFICATE, tls.key: KEY}
---
apiVersion: v1
kind: Service
metadata: {name: thanos-querier, namespace: metrics}
spec:
  clusterIP: 10.9.0.1
  selector: {app.kubernetes.io/name: thanos-querier}
  ports: [{name: http-metrics, port: 9090, targetPort: 9090, appProtocol: http}]
---
apiVersion: v1
kind: Pod
metadata:
  name: thanos-querier
  namespace: metrics
  labels: {app.kubernetes.io/name: thanos-querier}
spec: {serviceAccountName: thanos-querier, containers: [{name: querier, image: querier}]}
status: {podIP: 10.0.0.1, phase: Running, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: thanos-querier, namespace: metrics, labels: {kubernetes.io/service-name: thanos-querier}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: thanos-querier, namespace: metrics}}]
ports: [{name: http-metrics, port: 9090, protocol: TCP}]
---
apiVersion: v1
kind: Service
metadata: {name: metrics-istio, namespace: metrics, labels: {gateway.networking.k8s.io/gateway-name: metrics}}
spec:
  clusterIP: 10.9.0.2
  selector: {gateway.networking.k8s.io/gateway-name: metrics}
  ports: [{name: https, port: 443, targetPort: 443}]
---
apiVersion: v1
kind: Pod
metadata:
  name: metrics-istio
  namespace: metrics
  labels: {gateway.networking.k8s.io/gateway-name: metrics}
spec: {serviceAccountName: metrics-istio, containers: [{name: proxy, image: proxy}]}
status: {podIP: 10.0.0.2, phase: Running, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: metrics-istio, namespace: metrics, labels: {kubernetes.io/service-name: metrics-istio}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.2], conditions: {ready: true}, targetRef: {kind: Pod, name: metrics-istio, namespace: metrics}}]
ports: [{name: https, port: 443, protocol: TCP}]
`

type chain struct {
	Name        string   `json:"name"`
	Filters     []any    `json:"filters"`
	HTTPFilters []string `json:"http_filters,omitempty"`
}

type handedOver struct {
	Chains     []chain `json:"chains"`
	Manager    any     `json:"manager"`
	Routes     []any   `json:"routes"`
	Extensions []any   `json:"extensions"`
}

func plain(t *testing.T, message proto.Message) any {
	text, err := protomarshal.ToJSON(message)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestHandedOver(t *testing.T) {
	text, err := os.ReadFile(os.Getenv("PLF_RESOURCES"))
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	certificate := strings.NewReplacer("CERTIFICATE", encode(testcerts.ServerCert), "KEY", encode(testcerts.ServerKey))
	// Kubernetes and the Gateway API come to Istio from an API server, its own from a store. The Services are those above.
	kubernetes, own := []string{certificate.Replace(cluster)}, []string{}
	for _, document := range strings.Split(string(text), "\n---\n") {
		switch {
		case strings.Contains(document, "apiVersion: v1\n"):
		case strings.Contains(document, "apiVersion: gateway.networking.k8s.io/"):
			kubernetes = append(kubernetes, document)
		default:
			own = append(own, document)
		}
	}
	server := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		ConfigString:           strings.Join(own, "\n---\n"),
		KubernetesObjectString: strings.Join(kubernetes, "\n---\n"),
	})

	proxy := &model.Proxy{
		Type: model.SidecarProxy, IPAddresses: []string{"10.0.0.1"},
		Labels: map[string]string{"app.kubernetes.io/name": "thanos-querier"},
	}
	if os.Getenv("PLF_PROXY") == "gateway" {
		proxy.Type, proxy.IPAddresses = model.Router, []string{"10.0.0.2"}
		proxy.Labels = map[string]string{"gateway.networking.k8s.io/gateway-name": "metrics"}
	}
	proxy.ConfigNamespace = "metrics"
	proxy.Metadata = &model.NodeMetadata{Namespace: "metrics", Labels: proxy.Labels}
	proxy = server.SetupProxy(proxy)

	out := handedOver{Routes: []any{}}
	names := map[string]bool{}
	var discovered []string
	for _, one := range server.Listeners(proxy) {
		// What comes in: of a sidecar's listeners, one.
		if proxy.Type == model.SidecarProxy && one.Name != "virtualInbound" {
			continue
		}
		for _, filterChain := range append(one.FilterChains, one.DefaultFilterChain) {
			if filterChain == nil {
				continue
			}
			found := chain{Name: filterChain.Name}
			for _, filter := range filterChain.Filters {
				found.Filters = append(found.Filters, networkFilter(t, filter))
				manager := &hcm.HttpConnectionManager{}
				if filter.GetTypedConfig().UnmarshalTo(manager) != nil {
					continue
				}
				for _, http := range manager.HttpFilters {
					found.HTTPFilters = append(found.HTTPFilters, http.Name)
					if http.GetConfigDiscovery() != nil && !names[http.Name] {
						names[http.Name] = true
						discovered = append(discovered, http.Name)
					}
				}
				if out.Manager == nil && (filterChain.Name == "0.0.0.0_9090" || proxy.Type == model.Router) {
					manager.Tracing = nil
					out.Manager = plain(t, manager)
				}
			}
			out.Chains = append(out.Chains, found)
		}
	}
	if proxy.Type == model.Router {
		for _, one := range server.Routes(proxy) {
			out.Routes = append(out.Routes, plain(t, one))
		}
	}
	for _, one := range server.ConfigGen.BuildExtensionConfiguration(proxy, server.PushContext(), discovered, nil) {
		out.Extensions = append(out.Extensions, plain(t, one))
	}

	result, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv("PLF_OUT"), append(result, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The name of a network filter; of those that decide or send on, all of it.
func networkFilter(t *testing.T, filter *listener.Filter) any {
	switch filter.Name {
	case "envoy.filters.network.rbac", "envoy.filters.network.tcp_proxy":
		return plain(t, filter)
	default:
		return filter.Name
	}
}
