package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const serviceListLong = `Prints the title and the Software Release of each of your services.

Exit status: 0 printed, 1 error.`

// newServiceList is "slapos service list".
func newServiceList(a *app) *cobra.Command {
	var cfg *cfgOption
	var output string
	cmd := leaf(clientGroup, "list", "list the title of all your slapos services", serviceListLong,
		func(cmd *cobra.Command, _ []string) error {
			s, err := a.connect(cfg)
			if err != nil {
				return err
			}
			services, err := s.client.OpenOrders(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				byTitle := make(map[string]string, len(services))
				for _, service := range services {
					byTitle[service.Reference] = service.SoftwareRelease
				}
				return writeJSON(a.stdout, byTitle)
			}
			if len(services) == 0 {
				_, err := fmt.Fprintln(a.stdout, "No existing service.")
				return err
			}
			fmt.Fprintln(a.stdout, "List of services:")
			for _, service := range services {
				if _, err := fmt.Fprintln(a.stdout, service.Reference, service.SoftwareRelease); err != nil {
					return err
				}
			}
			return nil
		})
	f := optionsOf(cmd)
	cfg = clientCfg(f)
	outputOption(f, &output, "json", "One JSON object, or plain lines (text).")
	return cmd
}
