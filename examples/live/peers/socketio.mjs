// The chat on socket.io, with its rooms and acknowledgements: node socketio.mjs [ADDRESS:PORT]
import { Server } from "socket.io";
import { httpServer, Session, takeToken } from "./chat.mjs";

const io = new Server(httpServer(), {
  transports: ["websocket"],
  serveClient: false,
  maxHttpBufferSize: 16 << 10,
  perMessageDeflate: process.env.COMPRESS
    ? { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 64 }
    : false,
});

// As its documentation advises for many connections: the first HTTP request is not kept.
io.engine.on("connection", (connection) => {
  connection.request = null;
});

io.use((socket, next) => {
  socket.data.user = takeToken(socket.handshake.auth.token);
  next(socket.data.user ? undefined : new Error("the token is not valid"));
});

io.on("connection", (socket) => {
  const session = new Session(socket.data.user, {
    emit: (type, body) => socket.emit(type, body),
    broadcast: (room, type, body) => io.to(room).emit(type, body),
    others: (room, type, body) => socket.to(room).emit(type, body),
    enter: (room) => socket.join(room),
    leave: (room) => socket.leave(room),
  });
  for (const type of ["join", "leave", "typing", "say"]) {
    socket.on(type, (body, answer) => {
      const ack = session.take(type, body ?? {});
      if (ack && typeof answer === "function") answer({ type: "ack", ...ack });
    });
  }
  socket.on("disconnect", () => session.end());
});
