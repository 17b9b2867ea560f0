package slap_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/slapos/slapos-go/slap"
)

// The parameters of an instance, as a stand-alone master hands them out: all
// is text, and beside them are those of the master.
func ExampleParameters_Decode() {
	parameters := slap.Parameters{
		"port": "8080", "debug": "True", "backends": "['http://a/', 'http://b/']",
		"timestamp": "1795562214.8", "slap_software_type": "default",
	}
	settings := struct {
		Port     int      `json:"port"`
		Debug    bool     `json:"debug"`
		Backends []string `json:"backends"`
		Title    string   `json:"title"`
	}{Title: "untitled"}
	if err := parameters.Decode(&settings); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", settings)

	// The same in one parameter, as software with the serialisation
	// json-in-xml has it.
	parameters = slap.Parameters{"_": `{"port": 8081, "backends": []}`, "timestamp": "1795562214.8"}
	if err := parameters.Decode(&settings); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", settings)
	// Output:
	// {Port:8080 Debug:true Backends:[http://a/ http://b/] Title:untitled}
	// {Port:8081 Debug:true Backends:[] Title:untitled}
}

func ExampleParameters_Int() {
	parameters := slap.Parameters{"port": "8080", "password": "hunter2"}
	port, err := parameters.Int("port")
	fmt.Println(port, err)

	_, err = parameters.Int("workers")
	fmt.Println(errors.Is(err, slap.ErrNotFound), err)

	_, err = parameters.Int("password")
	fmt.Println(err)
	// Output:
	// 8080 <nil>
	// true parameters: parameter "workers" not found
	// parameter "password": want an integer, got text
}

func ExampleParameters_JSON() {
	parameters := slap.Parameters{"frontends": `[{"name": "main", "port": 443}]`}
	var frontends []struct {
		Name string `json:"name"`
		Port int    `json:"port"`
	}
	if err := parameters.JSON("frontends", &frontends); err != nil {
		log.Fatal(err)
	}
	fmt.Println(frontends)
	// Output: [{main 443}]
}

func ExampleEncodeParameters() {
	parameters, err := slap.EncodeParameters(struct {
		Port  int               `json:"port"`
		Hosts []string          `json:"hosts"`
		Quota map[string]string `json:"quota,omitempty"`
	}{Port: 80, Hosts: []string{"a", "b"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(parameters)
	// Output: map[hosts:["a", "b"] port:80]
}

func ExampleEncodeJSONParameters() {
	parameters, err := slap.EncodeJSONParameters(map[string]any{"port": 80, "hosts": []string{"a", "b"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(parameters["_"])
	// Output: {"hosts": ["a", "b"], "port": 80}
}

func ExampleSerialisation_Encode() {
	parameters, err := slap.SerialisationJSONInXML.Encode(map[string]any{"port": 80})
	fmt.Println(parameters, err)
	// Output: map[_:{"port": 80}] <nil>
}
