// Several megabytes of module that print one line: what counts is how long it takes to get there.
package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"go/parser"
	"html/template"
	"net/http"
)

// Keeps the packages in the module.
var used = []any{http.Get, json.Marshal, xml.Marshal, template.New, parser.ParseExpr}

func main() {
	fmt.Println("hello from", len(used), "packages")
}
