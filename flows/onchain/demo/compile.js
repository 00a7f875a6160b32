// Compiles every contract of a folder; prints one JSON object: compiler, hash of the sources, and for each contract its
// bytecode, its functions' selectors, its constructor, and its events with their topic. Called by build.
"use strict";
const fs = require("fs");
const path = require("path");
const crypto = require("crypto");
const solc = require("solc");
const { keccak256 } = require("js-sha3");

const folder = process.argv[2];
const names = fs.readdirSync(folder).filter((name) => name.endsWith(".sol")).sort();
const sources = {};
const hash = crypto.createHash("sha256");
for (const name of names) {
    const content = fs.readFileSync(path.join(folder, name), "utf8");
    sources[name] = { content };
    hash.update(name + "\0" + content + "\0");
}
const input = {
    language: "Solidity",
    sources,
    settings: {
        optimizer: { enabled: true, runs: 1000 },
        evmVersion: "paris",
        metadata: { appendCBOR: false, bytecodeHash: "none" },
        outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.methodIdentifiers"] } },
    },
};
const load = (name) => ({ contents: sources[path.basename(name)].content });
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
const errors = (output.errors || []).filter((e) => e.severity === "error");
if (errors.length) {
    console.error(errors.map((e) => e.formattedMessage).join("\n"));
    process.exit(1);
}

const type = (p) => (p.type.startsWith("tuple") ? "(" + p.components.map(type).join(",") + ")" + p.type.slice(5) : p.type);
const shown = (p) => [
    p.type.startsWith("tuple") ? "(" + p.components.map(shown).join(", ") + ")" + p.type.slice(5) : p.type,
    p.indexed ? "indexed" : "",
    p.name,
].filter(Boolean).join(" ");

const contracts = {};
for (const file of names) {
    for (const [name, made] of Object.entries(output.contracts[file])) {
        if (!made.evm.bytecode.object) continue;
        const events = {};
        for (const item of made.abi.filter((i) => i.type === "event")) {
            const text = `event ${item.name}(${item.inputs.map(shown).join(", ")})${item.anonymous ? " anonymous" : ""}`;
            events[text] = "0x" + keccak256(`${item.name}(${item.inputs.map(type).join(",")})`);
        }
        const constructor = made.abi.find((i) => i.type === "constructor");
        contracts[name] = {
            constructor: constructor ? constructor.inputs.map(type) : [],
            functions: made.evm.methodIdentifiers,
            events,
            bytecode: "0x" + made.evm.bytecode.object,
        };
    }
}
process.stdout.write(JSON.stringify({ compiler: solc.version(), sources_sha256: hash.digest("hex"), contracts }, null, 1) + "\n");
