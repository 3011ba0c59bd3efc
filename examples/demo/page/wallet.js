// A wallet in the page: makes DID tokens as Magic's does, with a key that was made here.
// For trying things out. Whoever can run a script in the page can sign with it.

import { getPublicKey, signAsync, utils } from "./vendor/noble-secp256k1/index.js";
import { keccak_256 } from "./vendor/noble-hashes/sha3.js";

const STORED_AS = "tower-didt demo: test wallet";
const LIFESPAN = 900;

const text = new TextEncoder();
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const bytes = (digits) => Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));

export class Wallet {
  #key;

  constructor(key) {
    this.#key = key;
    this.address = addressOf(getPublicKey(key, false));
    this.issuer = `did:ethr:${this.address}`;
  }

  // The wallet that this browser made before, or a new one.
  static load() {
    const stored = bytes(localStorage.getItem(STORED_AS) ?? "");
    return utils.isValidSecretKey(stored) ? new Wallet(stored) : Wallet.create();
  }

  static create() {
    const key = utils.randomSecretKey();
    localStorage.setItem(STORED_AS, hex(key));
    return new Wallet(key);
  }

  // base64(JSON([proof, claim])), the claim's fields in the order of Magic's own.
  async token(audience, attachment = "none") {
    const now = Math.floor(Date.now() / 1000);
    const claim = JSON.stringify({
      iat: now,
      ext: now + LIFESPAN,
      iss: this.issuer,
      sub: "a user of the demo",
      aud: audience,
      nbf: now,
      tid: crypto.randomUUID(),
      add: await this.#sign(attachment),
    });
    const json = JSON.stringify([await this.#sign(claim), claim]);
    return btoa(String.fromCharCode(...text.encode(json)));
  }

  // personal_sign (EIP-191): 0x and r, s, v in hexadecimal.
  async #sign(message) {
    const encoded = text.encode(message);
    const prefix = text.encode(`\x19Ethereum Signed Message:\n${encoded.length}`);
    const digest = keccak_256(new Uint8Array([...prefix, ...encoded]));
    const [recovery, ...rs] = await signAsync(digest, this.#key, { prehash: false, format: "recovered" });
    return `0x${hex(rs)}${hex([27 + recovery])}`;
  }
}

// The last 20 bytes of the public key's hash, upper case where the checksum says so (EIP-55).
function addressOf(publicKey) {
  const digits = hex(keccak_256(publicKey.subarray(1)).subarray(-20));
  const checksum = hex(keccak_256(text.encode(digits)));
  const cased = Array.from(digits, (digit, at) => (checksum[at] >= "8" ? digit.toUpperCase() : digit));
  return `0x${cased.join("")}`;
}
