package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/go-logr/logr/funcr"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/controller/config/process"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/expansion"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation"
	gatekeeperwebhook "github.com/open-policy-agent/gatekeeper/v3/pkg/webhook"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

// serveGatekeeper is its validating webhook, at /v1/admit, without a cluster behind it and with its defaults.
func serveGatekeeper(address, certificates, directory string) error {
	log.SetLogger(funcr.New(func(prefix, text string) { fmt.Fprintln(os.Stderr, prefix, text) }, funcr.Options{}))
	policies, err := readUsers(directory)
	if err != nil {
		return err
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	server, err := gatekeeperServer(policies, webhook.Options{
		Host: host, Port: port, CertDir: certificates,
		TLSOpts: []func(*tls.Config){func(config *tls.Config) { config.MinVersion = tls.VersionTLS13 }},
	})
	if err != nil {
		return err
	}
	return server.Start(context.Background())
}

func gatekeeperServer(policies users, options webhook.Options) (webhook.Server, error) {
	engine, err := gatekeeper(policies)
	if err != nil {
		return nil, err
	}
	server, mutations := webhook.NewServer(options), mutation.NewSystem(mutation.SystemOpts{})
	return server, gatekeeperwebhook.AddPolicyWebhook(withoutCluster{server: server}, gatekeeperwebhook.Dependencies{
		OpaClient: engine, ProcessExcluder: process.New(), MutationSystem: mutations,
		ExpansionSystem: expansion.NewSystem(mutations),
	})
}

// withoutCluster is as much of a manager as the webhook asks for.
type withoutCluster struct {
	manager.Manager
	server webhook.Server
}

func (withoutCluster) GetConfig() *rest.Config            { return &rest.Config{} }
func (withoutCluster) GetClient() client.Client           { return knownNamespaces{} }
func (withoutCluster) GetAPIReader() client.Reader        { return knownNamespaces{} }
func (m withoutCluster) GetWebhookServer() webhook.Server { return m.server }

// knownNamespaces is a cache that has every Namespace, and no object else: no Config of Gatekeeper, as in most clusters.
type knownNamespaces struct{ client.Client }

func (knownNamespaces) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if found, is := into.(*core.Namespace); is {
		namespaceOf(key.Name).DeepCopyInto(found)
		return nil
	}
	return errors.NewNotFound(schema.GroupResource{}, key.Name)
}
