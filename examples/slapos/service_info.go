package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slap/softwareschema"
)

const serviceInfoLong = `Prints what the master knows of one of your services, given by its reference.

Exit status: 0 printed, 1 error, 2 there is no such service or it is not ready yet.`

// newServiceInfo is "slapos service info".
func newServiceInfo(a *app) *cobra.Command {
	var cfg *cfgOption
	var output string
	var news bool
	cmd := leaf(clientGroup, "info reference",
		"get status, software_release and parameters of an instance", serviceInfoLong,
		func(cmd *cobra.Command, args []string) error {
			s, err := a.connect(cfg)
			if err != nil {
				return err
			}
			instance, err := s.client.OpenOrder().Information(cmd.Context(), args[0])
			switch {
			case errors.Is(err, slap.ErrNotReady):
				a.log.Warn("Instance does not exist or is not ready yet.")
				return status(exitUsage)
			case errors.Is(err, slap.ErrNotFound):
				a.log.Warn("Instance " + args[0] + " does not exist.")
				return status(exitUsage)
			case err != nil:
				return err
			}
			if output == "text" {
				return a.printService(instance)
			}
			return writeJSON(a.stdout, a.serviceInfo(cmd.Context(), instance, news))
		})
	f := optionsOf(cmd)
	cfg = clientCfg(f)
	f.flag(&news, "--news", "Add the raw news of the service to the JSON object.")
	outputOption(f, &output, "json", "One JSON object, or plain lines (text).")
	return cmd
}

// printService prints an instance as plain lines.
func (a *app) printService(i *slap.Instance) error {
	_, err := fmt.Fprintf(a.stdout, "Software Release URL: %s\nInstance state: %s\nInstance parameters:\n%s\nConnection parameters:\n%s\n",
		i.SoftwareRelease, i.State, pretty(i.Parameters), pretty(i.ConnectionParameters))
	return err
}

// serviceInformation is the documented JSON object.
type serviceInformation struct {
	SoftwareURL  string         `json:"software-url"`
	SoftwareType string         `json:"software-type"`
	Shared       bool           `json:"shared"`
	State        string         `json:"requested-state"`
	Parameters   map[string]any `json:"instance-parameters"`
	Connection   any            `json:"connection-parameters"`
	Status       string         `json:"status"`
	News         any            `json:"news,omitempty"`
}

// serviceInfo puts an instance into the documented form. Connection parameters
// in "_" are decoded unless the schema of the release says that they are XML.
func (a *app) serviceInfo(ctx context.Context, i *slap.Instance, withNews bool) serviceInformation {
	info := serviceInformation{
		SoftwareURL: i.SoftwareRelease, SoftwareType: i.SoftwareType, Shared: i.Shared,
		State: string(i.State), Parameters: sortedDict(i.Parameters),
		Connection: sortedDict(i.ConnectionParameters),
	}
	if decoded, ok := decodeJSONParameter(i.ConnectionParameters); ok && a.isJSONInXML(ctx, i) {
		info.Connection = decoded
	}
	news := i.News()
	info.Status = newsStatus(news)
	if withNews && news != nil {
		raw := make([]slap.Parameters, 0, len(news))
		for _, message := range news {
			raw = append(raw, message.Fields)
		}
		info.News = raw
	}
	return info
}

// isJSONInXML tells how a release publishes; a schema that cannot be read counts
// as json-in-xml.
func (a *app) isJSONInXML(ctx context.Context, i *slap.Instance) bool {
	schema, err := readSoftwareSchema(ctx, i.SoftwareRelease, i.SoftwareType, i.Shared)
	switch {
	case errors.Is(err, softwareschema.ErrUndeclared):
		return true
	case err != nil:
		a.log.Warn(err.Error())
		return true
	}
	return schema.serialisation() == serialisationJSONInXML
}

// newsStatus sums the news up as a colour; nil is what a master does not tell.
func newsStatus(news []slap.Status) string {
	if news == nil {
		return "unsupported"
	}
	green, red := false, false
	for _, message := range news {
		green = green || strings.HasPrefix(message.Text, "#access")
		red = red || strings.HasPrefix(message.Text, "#error")
	}
	switch {
	case green && red:
		return "orange"
	case green:
		return "green"
	case red:
		return "red"
	}
	return "none"
}
