package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	lbServiceName      = "svccontroller.k3s.cattle.io/svcname"
	lbServiceNamespace = "svccontroller.k3s.cattle.io/svcnamespace"
)

// syncServiceLB is k3s's servicelb with pods: one DaemonSet for each Service of type LoadBalancer, whose containers pass host
// ports on to the Service; the nodes on which its pods are ready are the Service's addresses.
func (c *containers) syncServiceLB(ctx context.Context) error {
	if slices.Contains(c.settings.list("disable"), "servicelb") {
		return nil
	}
	services, err := c.client.CoreV1().Services("").List(ctx, meta.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	sets := c.client.AppsV1().DaemonSets("kube-system")
	existing, err := sets.List(ctx, meta.ListOptions{LabelSelector: lbServiceName, ResourceVersion: "0"})
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for i := range services.Items {
		service := &services.Items[i]
		if service.Spec.Type != core.ServiceTypeLoadBalancer || service.Spec.ClusterIP == "" {
			continue
		}
		set := lbDaemonSet(service)
		wanted[set.Name] = true
		if _, err := sets.Create(ctx, set, meta.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		if err := c.updateLBStatus(ctx, service); err != nil && !apierrors.IsConflict(err) {
			return err
		}
	}
	for _, set := range existing.Items {
		if !wanted[set.Name] {
			if err := sets.Delete(ctx, set.Name, meta.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return err
			}
		}
	}
	return nil
}

func (c *containers) updateLBStatus(ctx context.Context, service *core.Service) error {
	pods, err := c.client.CoreV1().Pods("kube-system").List(ctx, meta.ListOptions{ResourceVersion: "0",
		LabelSelector: lbServiceName + "=" + service.Name + "," + lbServiceNamespace + "=" + service.Namespace})
	if err != nil {
		return err
	}
	var addresses, current []string
	for _, pod := range pods.Items {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == core.PodReady && condition.Status == core.ConditionTrue {
				addresses = append(addresses, pod.Status.HostIP)
			}
		}
	}
	slices.Sort(addresses)
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		current = append(current, ingress.IP)
	}
	if slices.Equal(addresses, current) {
		return nil
	}
	service.Status.LoadBalancer.Ingress = nil
	for _, address := range addresses {
		service.Status.LoadBalancer.Ingress = append(service.Status.LoadBalancer.Ingress, core.LoadBalancerIngress{IP: address})
	}
	_, err = c.client.CoreV1().Services(service.Namespace).UpdateStatus(ctx, service, meta.UpdateOptions{})
	return err
}

func lbDaemonSet(service *core.Service) *apps.DaemonSet {
	name := "svclb-" + service.Name + "-" + string(service.UID)[:8]
	labels := map[string]string{"app": name, lbServiceName: service.Name, lbServiceNamespace: service.Namespace}
	var containers []core.Container
	for _, port := range service.Spec.Ports {
		containers = append(containers, core.Container{
			Name:  fmt.Sprintf("lb-%s-%d", strings.ToLower(string(port.Protocol)), port.Port),
			Image: "rancher/klipper-lb:standin",
			Ports: []core.ContainerPort{{ContainerPort: port.Port, HostPort: port.Port, Protocol: port.Protocol}},
			Env: []core.EnvVar{{Name: "SRC_PORT", Value: fmt.Sprint(port.Port)}, {Name: "DEST_PORT", Value: fmt.Sprint(port.Port)},
				{Name: "DEST_IPS", Value: service.Spec.ClusterIP}},
		})
	}
	no, grace := false, int64(1)
	return &apps.DaemonSet{ObjectMeta: meta.ObjectMeta{Name: name, Labels: labels}, Spec: apps.DaemonSetSpec{
		Selector: &meta.LabelSelector{MatchLabels: map[string]string{"app": name}},
		Template: core.PodTemplateSpec{ObjectMeta: meta.ObjectMeta{Labels: labels}, Spec: core.PodSpec{
			Containers: containers, AutomountServiceAccountToken: &no, TerminationGracePeriodSeconds: &grace,
			Tolerations: []core.Toleration{{Key: "node-role.kubernetes.io/control-plane", Operator: core.TolerationOpExists},
				{Key: "CriticalAddonsOnly", Operator: core.TolerationOpExists}}}},
	}}
}
