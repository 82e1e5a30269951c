// A broadcast over WebSocket by the package `ws`: the fan-out of a chat, and nothing else of it.
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });
const members = new Map(); // socket -> prefix

server.on("connection", (socket) => {
  let nick = "";
  socket.on("message", (data) => {
    const [command, ...words] = data.toString().split(" ");
    if (command === "NICK") nick = words[0];
    else if (command === "JOIN") members.set(socket, `:${nick}!~b@127.0.0.1`);
    else if (command === "PING") socket.send(`PONG ${words[0]}`);
    else if (command === "PRIVMSG") {
      const line = `${members.get(socket)} PRIVMSG ${words.join(" ")}`;
      for (const member of members.keys()) if (member !== socket) member.send(line);
    }
  });
  socket.on("close", () => members.delete(socket));
});
