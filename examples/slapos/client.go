package main

import (
	"context"
	"strings"

	"github.com/slapos/slapos-go/internal/configparser"
	"github.com/slapos/slapos-go/slap"
)

// clientConfig is what a client command needs to know of the configuration file
// (spec cli.md 3.1).
type clientConfig struct {
	masterURL, masterRestURL string
	keyFile, certFile        string
	caFile                   string
	verify                   bool
	alias                    map[string]string
}

// clientConfig reads the configuration of a user's command. The user's
// certificate is in [slapconsole]; without one the node's serves.
func (a *app) clientConfig(file *configparser.File) (*clientConfig, error) {
	if !file.HasSection("slapos") {
		_, err := file.Items("slapos")
		return nil, err
	}
	c := &clientConfig{verify: true}
	r := reader{file: file}
	r.text(&c.keyFile, "slapconsole", "key_file")
	r.text(&c.certFile, "slapconsole", "cert_file")
	if c.keyFile == "" && c.certFile == "" {
		r.text(&c.keyFile, "slapos", "key_file")
		r.text(&c.certFile, "slapos", "cert_file")
	}
	r.text(&c.masterURL, "slapos", "master_url")
	r.text(&c.masterRestURL, "slapos", "master_rest_url")
	r.text(&c.caFile, "slapos", "master_ca_file")
	r.text(&c.caFile, "slapconsole", "master_ca_file")
	r.bool(&c.verify, "slapos", "master_verify")
	r.bool(&c.verify, "slapconsole", "master_verify")
	var alias string
	r.text(&alias, "slapconsole", "alias")
	if r.err != nil {
		return nil, r.err
	}
	if c.masterURL == "" {
		return nil, inFile(file.Name(), documented("No option 'master_url'"))
	}
	if strings.HasPrefix(c.masterURL, "https") && c.keyFile == "" && c.certFile == "" {
		return nil, inFile(file.Name(), documented("No option 'key_file' and/or 'cert_file'"))
	}
	c.keyFile, c.certFile = a.expandHome(c.keyFile), a.expandHome(c.certFile)
	c.caFile = a.expandHome(c.caFile)
	c.alias = aliases(alias)
	return c, nil
}

// reader reads several keys and keeps the first error.
type reader struct {
	file *configparser.File
	err  error
}

// text sets p if the key is there and not empty.
func (r *reader) text(p *string, section, key string) {
	if r.err != nil {
		return
	}
	var value string
	if value, r.err = optional(r.file, section, key); value != "" {
		*p = value
	}
}

// bool sets p if the key is there.
func (r *reader) bool(p *bool, section, key string) {
	if r.err != nil || !r.file.Has(section, key) {
		return
	}
	*p, r.err = r.file.Bool(section, key)
}

// aliases reads the lines "name url" of [slapconsole] alias.
func aliases(text string) map[string]string {
	out := make(map[string]string)
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) == 2 {
			out[words[0]] = words[1]
		}
	}
	return out
}

// session is a connection to the master with the configuration it was made from.
type session struct {
	*clientConfig
	client *slap.Client
}

// connect reads the configuration of a user's command and makes the client.
func (a *app) connect(cfg *cfgOption) (*session, error) {
	file, err := a.load(cfg)
	if err != nil {
		return nil, err
	}
	config, err := a.clientConfig(file)
	if err != nil {
		return nil, err
	}
	client, err := slap.New(config.masterURL, append(a.clientOptions(config),
		slap.WithHateoasURL(config.masterRestURL))...)
	if err != nil {
		return nil, err
	}
	return &session{clientConfig: config, client: client}, nil
}

// clientOptions are the options of a client of the master with this identity.
func (a *app) clientOptions(c *clientConfig) []slap.Option {
	opts := []slap.Option{
		slap.WithLogger(a.log),
		slap.WithUserAgent("slapos-go"),
		slap.WithProxyFromEnvironment(),
	}
	if home := a.expandHome("~/.netrc"); home != "~/.netrc" {
		opts = append(opts, slap.WithNetrc(home))
	}
	if c.keyFile != "" || c.certFile != "" {
		opts = append(opts, slap.WithKeyPair(c.certFile, c.keyFile))
	}
	if c.caFile != "" {
		opts = append(opts, slap.WithCAFile(c.caFile))
	}
	if !c.verify {
		opts = append(opts, slap.WithoutVerification())
	}
	return opts
}

// resolve turns the name of a software release into its URL: the best release of
// a product for product.NAME, the URL behind an alias, anything else as it is
// (spec cli.md 3.2).
func (a *app) resolve(ctx context.Context, s *session, name string) (string, error) {
	product, ok := strings.CutPrefix(name, "product.")
	if !ok {
		if url, ok := s.alias[name]; ok {
			return url, nil
		}
		return name, nil
	}
	a.log.Info("Getting best Software Release corresponding to this Software Product...")
	releases, err := s.client.SoftwareReleasesOfProduct(ctx, product)
	if err != nil {
		return "", err
	}
	if len(releases) == 0 {
		a.log.Error("Error: No Software Release corresponding to this Software Product has been found. Exiting now.")
		return "", status(exitFailure)
	}
	a.log.Info("Found as " + releases[0] + ".")
	return releases[0], nil
}
