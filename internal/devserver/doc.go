// Package devserver runs Redis and Kafka inside this process, on loopback, so that `shake dev` needs nothing
// but Go.
//
// Both speak the real protocols, and the rest of the program meets them as it meets real servers: over a
// connection. They are good for trying the game and for tests of function. They say nothing about speed, and
// Redis here knows no slots, so only a real cluster shows a script that crosses them.
package devserver
