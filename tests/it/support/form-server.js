// An MCP server with one tool, which asks for a form before it answers.
const lines = require("node:readline").createInterface({ input: process.stdin });
const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
const schema = {
  type: "object",
  properties: { colour: { type: "string", enum: ["red", "blue"] }, count: { type: "integer" } },
  required: ["colour"],
};
let called;
lines.on("line", (line) => {
  const { id, method, params, result } = JSON.parse(line);
  if (id === "form") {
    send({ id: called, result: { content: [{ type: "text", text: "ordered: " + JSON.stringify(result.content) }] } });
  } else if (method === "initialize") {
    const capabilities = { tools: {} };
    send({ id, result: { protocolVersion: params.protocolVersion, capabilities, serverInfo: { name: "desk", version: "1" } } });
  } else if (method === "tools/list") {
    send({ id, result: { tools: [{ name: "order", description: "Orders", inputSchema: { type: "object", properties: {} } }] } });
  } else if (method === "tools/call") {
    called = id;
    send({ id: "form", method: "elicitation/create", params: { message: "Which one?", requestedSchema: schema } });
  } else if (id !== undefined) {
    send({ id, result: {} });
  }
});
