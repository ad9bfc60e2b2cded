//go:build integration && linux

package telemetry_test

import (
	"encoding/binary"
	"net"
	"path/filepath"
	"sync"
	"testing"
)

// The bytes that end and escape messages between QEMU and a management controller (OpenIPMI's "VM" protocol, as
// hw/ipmi/ipmi_bmc_extern.c of QEMU speaks it).
const (
	bmcMessage = 0xA0
	bmcCommand = 0xA1
	bmcEscape  = 0xAA
)

// bmc is a management controller that answers DCMI's Get Power Reading: each answer is 10 W more than the one before.
type bmc struct {
	socket string
	mu     sync.Mutex
	watts  []int // that it has answered
}

const (
	bmcFirst = 300
	bmcStep  = 10
	bmcMean  = 287
	bmcSpan  = 5000 // ms that the mean is taken over
)

// newBMC listens where a guest's `-chardev socket` connects to.
func newBMC(t *testing.T) *bmc {
	t.Helper()
	b := &bmc{socket: filepath.Join(t.TempDir(), "bmc")}
	l, err := net.Listen("unix", b.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return // the test is over
		}
		defer conn.Close()
		b.serve(conn)
	}()
	return b
}

// args connect a guest to it.
func (b *bmc) args() []string {
	return []string{"-chardev", "socket,id=bmc,reconnect=1,path=" + b.socket, "-device", "ipmi-bmc-extern,chardev=bmc,id=bmc0",
		"-device", "isa-ipmi-kcs,bmc=bmc0"}
}

func (b *bmc) serve(conn net.Conn) {
	var message []byte
	var escaped bool
	buf := make([]byte, 256)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		for _, c := range buf[:n] {
			switch {
			case c == bmcEscape:
				escaped = true
			case c == bmcCommand: // version, capabilities and resets of the hardware
				message = nil
			case c == bmcMessage:
				if answer := b.answer(message); answer != nil {
					if _, err := conn.Write(frame(answer)); err != nil {
						return
					}
				}
				message = nil
			default:
				if escaped {
					c, escaped = c&^0x10, false
				}
				message = append(message, c)
			}
		}
	}
}

// frame adds the checksum, after which the sum of all bytes is 0, and escapes what would end the message.
func frame(message []byte) (out []byte) {
	sum := byte(0)
	for _, c := range message {
		sum -= c
	}
	for _, c := range append(message, sum) {
		if c == bmcMessage || c == bmcCommand || c == bmcEscape {
			out = append(out, bmcEscape)
			c |= 0x10
		}
		out = append(out, c)
	}
	return append(out, bmcMessage)
}

// answer is the response to a request: sequence number, network function, command, data, checksum.
func (b *bmc) answer(request []byte) []byte {
	if len(request) < 4 {
		return nil
	}
	function, cmd, data := request[1]>>2, request[2], request[3:len(request)-1]
	head := []byte{request[0], request[1] | 4, cmd}
	switch {
	case function == 6 && cmd == 1: // Get Device ID
		return append(head, 0, 0x20, 1, 2, 0, 2, 0xBF, 0, 0, 0, 0, 0)
	case function == 6 && (cmd == 0x2E || cmd == 0x30): // Set BMC Global Enables, Clear Message Flags
		return append(head, 0)
	case function == 6 && cmd == 0x2F: // Get BMC Global Enables
		return append(head, 0, 0x08)
	case function == 6 && cmd == 0x31: // Get Message Flags
		return append(head, 0, 0)
	case function == 0x2C && cmd == 2 && len(data) > 1 && data[0] == 0xDC && data[1] == 1:
		return append(append(head, 0, 0xDC), b.reading()...)
	}
	return append(head, 0xC1) // invalid command
}

// reading is the data of a Get Power Reading (DCMI 1.5, table 6-16).
func (b *bmc) reading() (out []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	watts := bmcFirst + bmcStep*len(b.watts)
	b.watts = append(b.watts, watts)
	for _, w := range []int{watts, 100, 900, bmcMean} {
		out = binary.LittleEndian.AppendUint16(out, uint16(w))
	}
	out = binary.LittleEndian.AppendUint32(out, 1_700_000_000)
	out = binary.LittleEndian.AppendUint32(out, bmcSpan)
	return append(out, 0x40)
}
