package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/nacl/box"
	"google.golang.org/protobuf/proto"

	formatsv1 "cardvault.dev/examples/till/gen/vault/formats/v1"
	vaultv1 "cardvault.dev/examples/till/gen/vault/v1"
)

const (
	format    = 1
	paddedTo  = 512
	nonceSize = 16
)

// sealer seals codes to the vault's sealing key in use, by the vault's clock. One that runs for long asks for
// the keys again, every few minutes, and refuses to go back to a lower version.
type sealer struct {
	key     [32]byte
	version uint32
	ahead   time.Duration // how far the vault's clock is ahead of ours
}

// newSealer takes an answer of ListPublicKeys that came from the vault itself, and when it was asked for.
func newSealer(keys *vaultv1.ListPublicKeysResponse, asked time.Time) (*sealer, error) {
	made := &sealer{ahead: keys.Time.AsTime().Sub(asked.Add(time.Since(asked) / 2))}
	for _, key := range keys.Keys {
		if key.Purpose != vaultv1.PublicKey_PURPOSE_SEALING || key.State != vaultv1.PublicKey_STATE_ACTIVE {
			continue
		}
		version, err := strconv.ParseUint(strings.TrimPrefix(key.KeyId, "sealing-"), 10, 32)
		if err != nil || len(key.PublicKey) != len(made.key) {
			return nil, errors.New("a sealing key is malformed")
		}
		if uint32(version) > made.version {
			made.version = uint32(version)
			copy(made.key[:], key.PublicKey)
		}
	}
	if made.version == 0 {
		return nil, errors.New("the vault has no sealing key in use")
	}
	return made, nil
}

// now returns the vault's time.
func (s *sealer) now() time.Time { return time.Now().Add(s.ahead) }

// seal returns one code as a sealed submission: format, version of the key, and a libsodium sealed box of the
// message.
func (s *sealer) seal(
	audience, program string, purpose formatsv1.Submission_Purpose, code string,
) (*vaultv1.PresentedCode, error) {
	message, err := padded(&formatsv1.Submission{
		Audience:   audience,
		Program:    program,
		Purpose:    purpose,
		SealTimeMs: s.now().UnixMilli(),
		Nonce:      drawNonce(),
		Codes:      []string{code},
	})
	if err != nil {
		return nil, err
	}
	defer clear(message) // the digits, as far as Go lets us
	head := binary.BigEndian.AppendUint32([]byte{format}, s.version)
	sealed, err := box.SealAnonymous(head, message, &s.key, rand.Reader)
	return &vaultv1.PresentedCode{Form: &vaultv1.PresentedCode_Sealed{Sealed: sealed}}, err
}

// padded returns a message's bytes, and after them 0x80 and zeros, as ISO/IEC 7816-4 says and sodium_pad does.
func padded(submission *formatsv1.Submission) ([]byte, error) {
	size := proto.Size(submission)
	// Made large enough at once, so that no copy stays behind.
	roomy := make([]byte, 0, size+paddedTo)
	message, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(roomy, submission)
	if err != nil {
		return nil, err
	}
	whole := message[:(len(message)/paddedTo+1)*paddedTo]
	whole[len(message)] = 0x80
	return whole, nil
}

func drawNonce() []byte {
	nonce := make([]byte, nonceSize)
	if _, err := rand.Read(nonce); err != nil {
		panic(err) // without randomness nothing can go on
	}
	return nonce
}

// drawUUID returns a random UUID (RFC 9562, version 4).
func drawUUID() string {
	id := drawNonce()
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
