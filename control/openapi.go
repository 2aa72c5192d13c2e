package control

import (
	_ "embed"
	"net/http"
)

// openAPIDocument describes the API. A test makes it from the routes and the
// types, and fails where it is stale.
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPI answers with the OpenAPI 3.1 description of this API.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	s.write(w, http.StatusOK, "application/json", append([]byte(nil), openAPIDocument...))
	return nil
}
