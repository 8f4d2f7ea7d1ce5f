//go:build tools

// Prometheus and Alertmanager, at the versions that docker-compose.yaml names.
package tools

import (
	_ "github.com/prometheus/alertmanager/cmd/alertmanager"
	_ "github.com/prometheus/prometheus/cmd/prometheus"
)
