// An independent verifier of checkpoints and proofs: Go's own sumdb/note and sumdb/tlog, nothing of Waybill.
//
//	apt-get install golang-go golang-golang-x-mod-dev
//	export GO111MODULE=off GOPATH=/usr/share/gocode
//	go run main.go checkpoint  POLICY NOTE
//	go run main.go receipt     POLICY PROOF LEAF        (tlog-proof file, the leaf's octets)
//	go run main.go consistency POLICY OLDNOTE NEWNOTE HASHES   (one base64 hash a line)
//	go run main.go tiles       POLICY URL CA [CERT KEY]        (a node: its checkpoint, tiles and entries)
//
// POLICY is a C2SP tlog-policy with `log VKEY`, `witness NAME VKEY` and one `group NAME COUNT MEMBERS…`: a signature of one
// of the logs is asked for, and COUNT valid cosignatures (cosignature/v1).
// Prints what holds and ends with 0, or says why it does not and ends with 1.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) string {
	octets, err := os.ReadFile(path)
	check(err)
	return string(octets)
}

// cosigner verifies cosignature/v1 lines (c2sp.org/tlog-cosignature), which sumdb/note hands on to whoever knows the key.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig))
	return ed25519.Verify(c.key, append([]byte(head), text...), sig[8:])
}

func newCosigner(vkey string) cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		check(fmt.Errorf("not a vkey: %s", vkey))
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	check(err)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	check(err)
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if len(key) != 33 || key[0] != 4 || binary.BigEndian.Uint32(digest[:]) != uint32(hash) {
		check(fmt.Errorf("not the vkey of a cosigner: %s", vkey))
	}
	return cosigner{parts[0], uint32(hash), ed25519.PublicKey(key[1:])}
}

// A tree head that the log has signed and enough witnesses have cosigned.
func head(policy, signed string) tlog.Tree {
	var logs, witnesses []note.Verifier
	quorum := -1
	for _, line := range strings.Split(policy, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) >= 2 && words[0] == "log":
			verifier, err := note.NewVerifier(words[1])
			check(err)
			logs = append(logs, verifier)
		case len(words) >= 3 && words[0] == "witness":
			witnesses = append(witnesses, newCosigner(words[2]))
		case len(words) >= 3 && words[0] == "group":
			count, err := strconv.Atoi(words[2])
			check(err)
			quorum = count
		}
	}
	if len(logs) == 0 {
		check(fmt.Errorf("a policy without a log"))
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(append(logs, witnesses...)...))
	check(err)
	origin, cosigned, logged := logs[0].Name(), 0, false
	for _, sig := range opened.Sigs {
		if sig.Name == origin {
			logged = true
		} else {
			cosigned++
		}
	}
	if !logged {
		check(fmt.Errorf("no signature of the log %s", origin))
	}
	if quorum < 1 || cosigned < quorum {
		check(fmt.Errorf("%d cosignatures of known witnesses, the policy wants %d", cosigned, quorum))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		check(fmt.Errorf("not a checkpoint of %s", origin))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: root}
}

func hashes(lines []string) []tlog.Hash {
	var path []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		check(err)
		path = append(path, hash)
	}
	return path
}

func lines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// A node's tiles over HTTP, as tlog.TileReader wants them.
type node struct {
	caller *http.Client
	url    string
}

func dial(url string, files []string) node {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(read(files[0])))
	config := &tls.Config{RootCAs: roots}
	if len(files) == 3 {
		pair, err := tls.LoadX509KeyPair(files[1], files[2])
		check(err)
		config.Certificates = []tls.Certificate{pair}
	}
	return node{&http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: config}}, strings.TrimSuffix(url, "/")}
}

func (n node) get(path string) []byte {
	reply, err := n.caller.Get(n.url + path)
	check(err)
	defer reply.Body.Close()
	octets, err := io.ReadAll(reply.Body)
	check(err)
	if reply.StatusCode != 200 {
		check(fmt.Errorf("%s: %s", path, reply.Status))
	}
	return octets
}

func (n node) Height() int { return 8 }

// The C2SP paths do not say the height, and call bundles of entries otherwise.
func (n node) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		data = append(data, n.get("/tile/"+strings.TrimPrefix(tile.Path(), "tile/8/")))
	}
	return data, nil
}

func (n node) SaveTiles([]tlog.Tile, [][]byte) {}

// Every leaf's octets, from the bundles of a tree of this size.
func (n node) leaves(size int64) [][]byte {
	var leaves [][]byte
	for first := int64(0); first < size; first += 256 {
		width := int(min64(size-first, 256))
		tile := tlog.Tile{H: 8, L: 0, N: first / 256, W: width}
		bundle := n.get("/tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/0/"))
		for i := 0; i < width; i++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				check(fmt.Errorf("the bundle at %d is cut off", first))
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			leaves = append(leaves, bundle[2:end])
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			check(fmt.Errorf("the bundle at %d has too much in it", first))
		}
	}
	return leaves
}

func min64(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

// Proves from the tiles that every leaf is in the tree, and that the tree continues each smaller one.
func tiles(policy string, n node) {
	tree := head(policy, string(n.get("/checkpoint")))
	reader := tlog.TileHashReader(tree, n)
	leaves := n.leaves(tree.N)
	for i := int64(0); i < tree.N; i++ {
		proof, err := tlog.ProveRecord(tree.N, i, reader)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, i, tlog.RecordHash(leaves[i])))
	}
	for size := int64(1); size < tree.N; size += 1 + size/2 {
		root, err := tlog.TreeHash(size, reader)
		check(err)
		proof, err := tlog.ProveTree(tree.N, size, reader)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, size, root))
	}
	fmt.Println("all", tree.N, "leaves are in the tree of the checkpoint")
}

func main() {
	args := os.Args[1:]
	switch {
	case len(args) == 3 && args[0] == "checkpoint":
		tree := head(read(args[1]), read(args[2]))
		fmt.Println("checkpoint of", tree.N, "leaves, root", tree.Hash)
	case len(args) == 4 && args[0] == "receipt":
		proof, signed, found := strings.Cut(read(args[2]), "\n\n")
		if !found {
			check(fmt.Errorf("not a proof file"))
		}
		tree := head(read(args[1]), signed)
		top := strings.Split(proof, "\n")
		if len(top) < 2 || top[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(top[1], "index ") {
			check(fmt.Errorf("not a tlog-proof@v1"))
		}
		index, err := strconv.ParseInt(strings.TrimPrefix(top[1], "index "), 10, 64)
		check(err)
		leaf := tlog.RecordHash([]byte(read(args[3])))
		check(tlog.CheckRecord(hashes(top[2:]), tree.N, tree.Hash, index, leaf))
		fmt.Println("leaf", index, "is in the tree of", tree.N)
	case len(args) == 5 && args[0] == "consistency":
		policy := read(args[1])
		old, now := head(policy, read(args[2])), head(policy, read(args[3]))
		check(tlog.CheckTree(hashes(lines(read(args[4]))), now.N, now.Hash, old.N, old.Hash))
		fmt.Println("the tree of", now.N, "continues the tree of", old.N)
	case (len(args) == 4 || len(args) == 6) && args[0] == "tiles":
		tiles(read(args[1]), dial(args[2], args[3:]))
	default:
		check(fmt.Errorf("checkpoint POLICY NOTE | receipt POLICY PROOF LEAF | consistency POLICY OLDNOTE NEWNOTE HASHES | tiles POLICY URL CA [CERT KEY]"))
	}
}
