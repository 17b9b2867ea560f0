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

const requestLong = `Asks the master for an instance of a Software Release and prints what the instance has
published. Asking again under the same reference changes the instance's parameters or
state, and prints up-to-date information. software_url may be a URL, product.NAME for the
best release of a product, or an alias of [slapconsole] alias.

Parameters are checked against the schema that the Software Release declares, if any;
findings are warnings and never keep the request back.

Exit status: 0 the instance is allocated, 1 error, 2 not allocated yet: ask again later.`

// requestOptions are the options of "slapos request".
type requestOptions struct {
	cfg            *cfgOption
	node           []string
	softwareType   string
	state          string
	slave          bool
	parameters     []string
	parametersFile string
	serialisation  string
	output         string
}

// unvalidated is the one Software Release whose parameters are not checked.
const unvalidated = "http://git.erp5.org/gitweb/slapos.git/blob_plain/HEAD:/software/apache-frontend/software.cfg"

// newRequest is "slapos request".
func newRequest(a *app) *cobra.Command {
	var o requestOptions
	cmd := leaf(clientGroup, "request reference software_url",
		"request an instance and get status and parameters of instance", requestLong,
		func(cmd *cobra.Command, args []string) error {
			if err := exclusive(cmd, cmd.Flags(), "parameters", "parameters-file"); err != nil {
				return err
			}
			return a.request(cmd, o, args[0], args[1])
		})
	f := optionsOf(cmd)
	o.cfg = clientCfg(f)
	f.list(&o.node, "--node", "Where the instance may be, as name=value words such as computer_guid=COMP-1234.")
	f.text(&o.softwareType, "--type", "Software type of the instance (default: default).")
	f.text(&o.state, "--state", "Wanted state: started, stopped or destroyed.")
	f.flag(&o.slave, "--slave", "Ask for a slave: a share of an instance that runs already.")
	f.choice(&o.serialisation, []string{serialisationXML, serialisationJSONInXML}, "--force-serialisation",
		"How the parameters of --parameters-file travel, whatever the Software Release declares.")
	f.list(&o.parameters, "--parameters", "Instance parameters, as name=value words.")
	f.text(&o.parametersFile, "--parameters-file", "File of instance parameters: YAML (.yaml, .yml), XML (.xml) or else JSON.")
	outputOption(f, &o.output, "text", "Print the result as log records (text), or as one JSON object on the standard output.")
	return cmd
}

// outputOption declares --output.
func outputOption(f options, p *string, fallback, usage string) {
	*p = fallback
	f.choice(p, []string{"text", "json"}, "--output", usage+" Default: "+fallback+".")
}

// request sends the request and prints the answer.
func (a *app) request(cmd *cobra.Command, o requestOptions, reference, name string) error {
	ctx := cmd.Context()
	r := slap.Request{
		SoftwareType: o.softwareType, Reference: reference,
		Shared: o.slave, State: slap.State(o.state),
	}
	if reference == "" || name == "" {
		return errors.New("reference and software_url must not be empty")
	}
	file, err := o.read(cmd, &r)
	if err != nil {
		return err
	}
	s, err := a.connect(o.cfg)
	if err != nil {
		return err
	}
	a.log.Info(fmt.Sprintf("Validating request parameters for %s as an instance of %s ...", reference, name))
	if r.SoftwareRelease, err = a.resolve(ctx, s, name); err != nil {
		return err
	}
	serialisation, err := a.prepare(ctx, o, file, &r)
	if err != nil {
		return err
	}
	a.log.Info(fmt.Sprintf("Requesting %s as an instance of %s ...", reference, r.SoftwareRelease))
	partition, err := s.client.OpenOrder().Request(ctx, r)
	if errors.Is(err, slap.ErrNotReady) {
		a.log.Warn("Instance requested. Master is provisioning it. Please rerun in a couple of minutes to get connection information.")
		return errors.Join(status(exitUsage), a.printPending(o, r))
	}
	if err != nil {
		return err
	}
	return a.printInstance(o, r, partition, serialisation)
}

// read turns the words and the file of the command line into the request.
func (o requestOptions) read(cmd *cobra.Command, r *slap.Request) (*parametersFile, error) {
	var err error
	if r.Filter, err = keyValues(o.node); err != nil {
		return nil, err
	}
	if o.parametersFile == "" {
		r.Parameters, err = keyValues(o.parameters)
		return nil, err
	}
	file, err := readParametersFile(o.parametersFile)
	if err != nil {
		return nil, usageOf(cmd, fmt.Errorf("argument --parameters-file: can't use '%s': %w", o.parametersFile, err))
	}
	return file, nil
}

// prepare validates the parameters and serialises those of a file. It returns
// the serialisation, empty if it is not known.
func (a *app) prepare(ctx context.Context, o requestOptions, file *parametersFile, r *slap.Request) (string, error) {
	serialisation := o.serialisation
	schema, err := readSoftwareSchema(ctx, r.SoftwareRelease, o.softwareType, o.slave)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	switch {
	case errors.Is(err, softwareschema.ErrUndeclared):
		a.log.Debug(err.Error())
	case err != nil:
		a.log.Warn(err.Error())
	case serialisation == "":
		serialisation = schema.serialisation()
	}
	if file == nil {
		a.warnInvalid(ctx, schema, r, map[string]any(r.Parameters))
		return serialisation, nil
	}
	if serialisation != serialisationXML && serialisation != serialisationJSONInXML {
		return "", fmt.Errorf("the serialisation of the parameters of %s is not known (%q): "+
			"its schema does not tell; use --force-serialisation", r.SoftwareRelease, serialisation)
	}
	a.warnInvalid(ctx, schema, r, file.content(serialisation))
	r.Parameters, err = file.serialise(serialisation)
	return serialisation, err
}

// warnInvalid logs what a schema has against parameters.
func (a *app) warnInvalid(ctx context.Context, schema *softwareSchema, r *slap.Request, parameters any) {
	if schema == nil || r.SoftwareRelease == unvalidated {
		return
	}
	found, err := schema.validate(ctx, parameters)
	switch {
	case errors.Is(err, errNoSchema):
		a.log.Warn(err.Error())
	case err != nil:
		a.log.Warn("Error validating request parameters against schema definition:\n" + err.Error())
	case len(found) > 0:
		a.log.Warn("Request parameters do not validate against schema definition:\n  " + strings.Join(found, "\n  "))
	}
}

// requestResult is what --output json prints.
type requestResult struct {
	Reference     string         `json:"reference"`
	Software      string         `json:"software-url"`
	Ready         bool           `json:"ready"`
	State         string         `json:"requested-state,omitempty"`
	Computer      string         `json:"computer-id,omitempty"`
	Partition     string         `json:"partition-id,omitempty"`
	GUID          string         `json:"instance-guid,omitempty"`
	Connection    map[string]any `json:"connection-parameters,omitempty"`
	ConnectionAny any            `json:"decoded-connection-parameters,omitempty"`
}

// printPending tells a program that the instance is not allocated yet.
func (a *app) printPending(o requestOptions, r slap.Request) error {
	if o.output != "json" {
		return nil
	}
	return writeJSON(a.stdout, requestResult{Reference: r.Reference, Software: r.SoftwareRelease})
}

// printInstance prints the state and the connection parameters of an instance.
func (a *app) printInstance(o requestOptions, r slap.Request, p *slap.ComputerPartition, serialisation string) error {
	state, err := p.State()
	if err != nil && !errors.Is(err, slap.ErrNotReady) {
		return err
	}
	connection := p.ConnectionParameters()
	decoded, isJSON := decodeJSONParameter(connection)
	isJSON = isJSON && serialisation == serialisationJSONInXML
	if o.output == "json" {
		result := requestResult{
			Reference: r.Reference, Software: r.SoftwareRelease, Ready: true, State: string(state),
			Computer: p.ComputerID(), Connection: connection,
		}
		result.Partition, _ = p.ID()
		result.GUID, _ = p.InstanceGUID()
		if isJSON {
			result.ConnectionAny = decoded
		}
		return writeJSON(a.stdout, result)
	}
	a.log.Info("Instance requested.\nState is : " + string(state) + ".")
	a.log.Info("Connection parameters of instance are:")
	text := pretty(connection)
	if isJSON {
		text = prettyAny(decoded)
	}
	a.log.Info(text)
	a.log.Info("You can rerun the command to get up-to-date information.")
	return nil
}

// decodeJSONParameter decodes the parameter "_".
func decodeJSONParameter(p slap.Parameters) (any, bool) {
	var v any
	if err := p.JSON("_", &v); err != nil {
		return nil, false
	}
	return v, true
}
