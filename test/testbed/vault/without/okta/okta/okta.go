// Package okta has the shape that Vault compiles against, and nothing behind it: logins by Okta are not part of the testbed.
package okta

import (
	"context"
	"errors"
)

var errNone = errors.New("Okta is not part of this testbed")

type (
	Configuration struct{ Context context.Context }
	Setter        func(*Configuration)
	APIClient     struct {
		UserAPI       users
		UserFactorAPI factors
	}
	User           struct{}
	UserFactorPush struct{}
	Factor         struct{ UserFactorPush *UserFactorPush }
	Result         struct{ Links map[string]any }
	Status         struct {
		UserFactorPushTransactionWaiting, UserFactorPushTransaction, UserFactorPushTransactionRejected, UserFactorPushTransactionTimeout *struct{}
	}
	users       struct{}
	factors     struct{}
	Response    struct{}
	call[T any] struct{}
)

func NewConfiguration(...Setter) (*Configuration, error) { return nil, errNone }
func WithToken(string) Setter                            { return nil }
func WithOrgUrl(string) Setter                           { return nil }
func WithCache(bool) Setter                              { return nil }
func NewAPIClient(*Configuration) *APIClient             { return &APIClient{} }

func (*APIClient) GetConfig() *Configuration { return &Configuration{Context: context.Background()} }
func (User) GetId() string                   { return "" }
func (*UserFactorPush) GetId() string        { return "" }
func (*Result) GetFactorResult() string      { return "" }

func (call[T]) Execute() (T, *Response, error) {
	var none T
	return none, nil, errNone
}
func (c call[T]) Filter(string) call[T] { return c }

func (users) ListUsers(context.Context) call[[]User]                       { return call[[]User]{} }
func (factors) ListFactors(context.Context, string) call[[]Factor]         { return call[[]Factor]{} }
func (factors) VerifyFactor(context.Context, string, string) call[*Result] { return call[*Result]{} }
func (factors) GetFactorTransactionStatus(context.Context, string, string, string) call[*Status] {
	return call[*Status]{}
}
