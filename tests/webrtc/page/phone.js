// One phone on SIP.js. The tests drive it through `window.phone`; every function returns plain data.
import { Invitation, Inviter, Registerer, SessionState, UserAgent, Web } from "sip.js";

const TONE_BINS = 4;

let agent;
let registerer;
let session;
let incoming;
let settings;
let analyser;

// Seconds that are waited for what should come at once.
const PATIENCE = 60;

// Resolves as soon as `ready` holds; rejects after `seconds`.
function until(ready, seconds, what) {
  const deadline = performance.now() + seconds * 1000;
  return new Promise((resolve, reject) => {
    const look = () => {
      const value = ready();
      if (value) resolve(value);
      else if (performance.now() > deadline) reject(new Error(`${what}: not in ${seconds} s`));
      else setTimeout(look, 20);
    };
    look();
  });
}

function peerConnection() {
  return session?.sessionDescriptionHandler?.peerConnection;
}

// What the peer is told as a=fingerprint, by settings.fingerprint; wrong: the last digit is another one.
const FINGERPRINTS = {
  right: (line) => line,
  wrong: (line) => line.replace(/([0-9A-F])\r\n$/, (_, last) => `${last === "0" ? "1" : "0"}\r\n`),
  none: () => "",
};

// SIP.js changes a description before the browser sees it; a wrong fingerprint must be wrong on the wire alone.
function descriptions(session, options) {
  const handler = Web.defaultSessionDescriptionHandlerFactory()(session, options);
  const describe = handler.getDescription.bind(handler);
  handler.getDescription = async (...terms) => {
    const description = await describe(...terms);
    const told = FINGERPRINTS[settings.fingerprint ?? "right"];
    return { ...description, body: description.body.replace(/a=fingerprint:.*\r\n/g, told) };
  };
  return handler;
}

function mediaOptions(hold = false) {
  return {
    hold,
    constraints: {
      // A steady tone is noise to a browser's clean-up of speech.
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      video: settings.video ? { width: 320, height: 240, frameRate: 15 } : false,
    },
  };
}

// The remote tone is heard through the audio element and measured by an analyser beside it.
async function listen() {
  const stream = session.sessionDescriptionHandler.remoteMediaStream;
  document.getElementById("remote-audio").srcObject = stream;
  document.getElementById("remote-video").srcObject = stream;
  const context = new AudioContext();
  await context.resume();
  analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  analyser.smoothingTimeConstant = 0;
  context.createMediaStreamSource(new MediaStream(stream.getAudioTracks())).connect(analyser);
}

// Root mean square (full scale is 1) and the share of the energy (0 to 1) that lies at `frequency` in Hz, now.
function heardNow(frequency) {
  const samples = new Float32Array(analyser.fftSize);
  const decibels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatTimeDomainData(samples);
  analyser.getFloatFrequencyData(decibels);
  const rms = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  const middle = Math.round(frequency * analyser.fftSize / analyser.context.sampleRate);
  let total = 0;
  let tone = 0;
  decibels.forEach((level, bin) => {
    const power = Number.isFinite(level) ? 10 ** (level / 10) : 0;
    total += power;
    if (Math.abs(bin - middle) <= TONE_BINS) tone += power;
  });
  return { rms, share: total > 0 ? tone / total : 0 };
}

window.phone = {
  // settings: user, password, server (host:port of the WebSocket), video, fingerprint (right, wrong, none)
  async register(given) {
    settings = given;
    const uri = UserAgent.makeURI(`sip:${given.user}@${given.server.split(":")[0]}`);
    agent = new UserAgent({
      uri,
      authorizationUsername: given.user,
      authorizationPassword: given.password,
      transportOptions: { server: `wss://${given.server}/ws`, connectionTimeout: PATIENCE },
      sessionDescriptionHandlerFactory: descriptions,
      sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: 1000, peerConnectionConfiguration: { iceServers: [] } },
      logLevel: "debug",
      delegate: { onInvite: (invitation) => { incoming = invitation; } },
    });
    await agent.start();
    registerer = new Registerer(agent);
    let refused;
    await registerer.register({ requestDelegate: { onReject: (response) => { refused = response.message.statusCode; } } });
    await until(() => registerer.state === "Registered" || refused, PATIENCE, "register");
    if (refused) throw new Error(`REGISTER was answered with ${refused}`);
  },

  // Calls an extension; resolves when the call is up or has failed: {state, status}.
  async call(extension) {
    let status = 0;
    session = new Inviter(agent, UserAgent.makeURI(`sip:${extension}@${settings.server.split(":")[0]}`), {
      sessionDescriptionHandlerOptions: mediaOptions(),
    });
    await session.invite({ requestDelegate: {
      onAccept: (response) => { status = response.message.statusCode; },
      onReject: (response) => { status = response.message.statusCode; },
    } });
    await until(() => [SessionState.Established, SessionState.Terminated].includes(session.state), PATIENCE, "call");
    if (session.state === SessionState.Established) await listen();
    return { state: session.state, status };
  },

  // Waits for a call and takes it.
  async answer() {
    session = await until(() => incoming, PATIENCE, "an incoming call");
    incoming = undefined;
    await session.accept({ sessionDescriptionHandlerOptions: mediaOptions() });
    await until(() => session.state === SessionState.Established, PATIENCE, "answer");
    await listen();
    return { state: session.state };
  },

  // A re-INVITE: one that holds the call, takes it up again, or begins ICE anew; its status.
  async reinvite({ hold = false, iceRestart = false }) {
    let status = 0;
    session.sessionDescriptionHandlerOptionsReInvite = { ...mediaOptions(hold), offerOptions: { iceRestart } };
    await session.invite({ requestDelegate: {
      onAccept: (response) => { status = response.message.statusCode; },
      onReject: (response) => { status = response.message.statusCode; },
    } });
    await until(() => status, PATIENCE, "re-INVITE");
    return status;
  },

  // Waits until ICE and DTLS are done: the state of the connection.
  async secured(seconds) {
    const state = () => peerConnection()?.connectionState ?? "gone";
    await until(() => ["connected", "failed", "closed", "gone"].includes(state()), seconds, `the connection is ${state()}`);
    return state();
  },

  // Waits until the call is over.
  async ended(seconds) {
    await until(() => session.state === SessionState.Terminated, seconds, "the end of the call");
    return session.state;
  },

  // What comes back, every 100 ms for so many seconds.
  async hear(frequency, seconds) {
    const moments = [];
    for (let count = Math.round(seconds * 10); count > 0; count--) {
      await new Promise((done) => setTimeout(done, 100));
      moments.push(heardNow(frequency));
    }
    return moments;
  },

  // The reports of getStats() that tests look at, by type.
  async stats() {
    const kept = ["transport", "certificate", "inbound-rtp", "outbound-rtp", "candidate-pair", "codec"];
    const found = Object.fromEntries(kept.map((type) => [type, []]));
    (await peerConnection().getStats()).forEach((report) => found[report.type]?.push({ ...report }));
    return found;
  },

  descriptions() {
    const connection = peerConnection();
    return { local: connection?.currentLocalDescription?.sdp ?? "", remote: connection?.currentRemoteDescription?.sdp ?? "" };
  },

  // Ends the call, if there is one, and the registration; a second time does nothing.
  async hangUp() {
    if (!agent) return;
    if (session && session.state === SessionState.Established) await session.bye();
    await registerer.unregister();
    // The page is closed next, whether or not the PBX closes the WebSocket (Asterisk 16 sometimes takes its time).
    agent.stop().catch(() => {});
    agent = undefined;
  },
};
