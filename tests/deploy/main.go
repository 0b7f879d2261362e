// Command strict reads Kubernetes manifests into the API's own types; an unknown field is an error.
package main

import (
	"bytes"
	"fmt"
	"os"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

func check(doc []byte) error {
	var head struct{ Kind, APIVersion string }
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return err
	}
	kinds := map[string]any{
		"apps/v1/Deployment": &apps.Deployment{},
		"apps/v1/DaemonSet":  &apps.DaemonSet{},
		"batch/v1/Job":       &batch.Job{},
		"v1/Pod":             &core.Pod{},
		"v1/ServiceAccount":  &core.ServiceAccount{},
		"v1/ConfigMap":       &core.ConfigMap{},
		"/":                  &core.Container{}, // of kubectl debug --custom

		"rbac.authorization.k8s.io/v1/ClusterRole":        &rbac.ClusterRole{},
		"rbac.authorization.k8s.io/v1/ClusterRoleBinding": &rbac.ClusterRoleBinding{},
		"v1/PersistentVolumeClaim":                        &core.PersistentVolumeClaim{},
	}
	into, ok := kinds[head.APIVersion+"/"+head.Kind]
	if !ok {
		return fmt.Errorf("kind %q of %q is not one of those checked", head.Kind, head.APIVersion)
	}
	return yaml.UnmarshalStrict(doc, into)
}

func main() {
	bad := false
	for _, path := range os.Args[1:] {
		text, err := os.ReadFile(path)
		if err != nil {
			fmt.Println(err)
			bad = true
			continue
		}
		for i, doc := range bytes.Split(text, []byte("\n---\n")) {
			if err := check(doc); err != nil {
				fmt.Printf("%s: document %d: %v\n", path, i+1, err)
				bad = true
			}
		}
	}
	if bad {
		os.Exit(1)
	}
}
