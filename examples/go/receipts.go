package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	vaultv1 "cardvault.dev/examples/till/gen/vault/v1"
)

const (
	useValidation = "validation"
	useRedemption = "redemption"
	leeway        = 30 * time.Second
)

var errReceipt = errors.New("this is no receipt of the vault for us, for this request, that counts now")

// outcomes has what a receipt of one good code says became of it.
var outcomes = map[string]string{useValidation: "GOOD", useRedemption: "REDEEMED"}

// claims are what a receipt says of one card.
type claims struct {
	Issuer     string `json:"iss"`
	Audience   string `json:"aud"`
	IssueTime  int64  `json:"iat"`
	StartTime  int64  `json:"nbf"`
	ExpireTime int64  `json:"exp"`
	ID         string `json:"jti"`
	Use        string `json:"use"`
	Nonce      string `json:"nonce"`
	Subject    string `json:"sub"`
	Program    string `json:"program"`
	Outcome    string `json:"outcome"`
	Generation int64  `json:"generation"`
}

// verifier verifies receipts without asking the vault: compact JWS (RFC 7515), EdDSA alone (RFC 8037).
type verifier struct {
	issuer, audience string
	keys             map[string]ed25519.PublicKey // by the header of what they sign
}

// newVerifier takes an answer of ListPublicKeys that came from the vault itself.
func newVerifier(keys *vaultv1.ListPublicKeysResponse, audience string) *verifier {
	made := &verifier{issuer: keys.Issuer, audience: audience, keys: map[string]ed25519.PublicKey{}}
	for _, key := range keys.Keys {
		if key.Purpose == vaultv1.PublicKey_PURPOSE_RECEIPT && key.State != vaultv1.PublicKey_STATE_COMPROMISED {
			made.trust(key.KeyId, key.PublicKey)
		}
	}
	return made
}

// trust takes a key, 32 bytes. The vault writes a header in one way, so the whole of it is compared: nothing in
// it can ask for another algorithm, key or type (RFC 8725, sections 3.1 and 3.11).
func (v *verifier) trust(id string, key ed25519.PublicKey) {
	if len(key) == ed25519.PublicKeySize {
		header := fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":"vault-receipt+jwt"}`, id)
		v.keys[spell([]byte(header))] = key
	}
}

// verify returns what a receipt of one good code claims, or errReceipt, whatever is wrong with it. Whoever
// moves money on a redemption's keeps the claims' ID, and moves it once for each.
func (v *verifier) verify(receipt, use string, nonce []byte, now time.Time) (*claims, error) {
	content, err := v.open(receipt)
	said := &claims{}
	if err != nil || json.Unmarshal(content, said) != nil {
		return nil, errReceipt
	}
	counts := said.Issuer == v.issuer && said.Audience == v.audience &&
		said.Use == use && said.Outcome == outcomes[use] && said.Subject != "" && said.ID != "" &&
		said.Nonce == spell(nonce) &&
		!now.Add(leeway).Before(time.Unix(max(said.IssueTime, said.StartTime), 0)) &&
		now.Add(-leeway).Before(time.Unix(said.ExpireTime, 0))
	if !counts {
		return nil, errReceipt
	}
	return said, nil
}

// open returns what was signed as a receipt by one of the keys, in its one spelling: names sorted, each once,
// no blanks.
func (v *verifier) open(receipt string) ([]byte, error) {
	parts := strings.Split(receipt, ".")
	if len(parts) != 3 {
		return nil, errReceipt
	}
	key, known := v.keys[parts[0]]
	signature, err := unspell(parts[2])
	if !known || err != nil || !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), signature) {
		return nil, errReceipt
	}
	content, err := unspell(parts[1])
	if err != nil || !bytes.Equal(respelled(content), content) {
		return nil, errReceipt
	}
	return content, nil
}

func spell(content []byte) string { return base64.RawURLEncoding.EncodeToString(content) }

// unspell reads base64url in its one spelling; decoding alone would pass over spare bits and line feeds.
func unspell(text string) ([]byte, error) {
	content, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil && spell(content) != text {
		err = errReceipt
	}
	return content, err
}

// respelled returns a JSON object as the vault spells it; nil where it is none.
func respelled(content []byte) []byte {
	var object map[string]any
	reader := json.NewDecoder(bytes.NewReader(content))
	reader.UseNumber()
	if reader.Decode(&object) != nil {
		return nil
	}
	var spelled bytes.Buffer
	writer := json.NewEncoder(&spelled)
	writer.SetEscapeHTML(false)
	if writer.Encode(object) != nil {
		return nil
	}
	return bytes.TrimSuffix(spelled.Bytes(), []byte("\n"))
}
