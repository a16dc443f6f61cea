// Chooses an endpoint for each connection, or UDP session, of a port that is not HTTP.
//
// The files are those of balancer.lua. Every session has a fresh JavaScript context, so nothing is remembered: the file
// is read anew, and the choice is random. Paths are relative to the directory that the service runs in.

import fs from 'fs';

function read(session, name) {
    let lines;
    try {
        lines = fs.readFileSync('backends/' + name, 'utf8').split('\n');
    } catch (error) {
        session.error('backend file ' + name + ' cannot be read: ' + error);
        return null;
    }
    const header = lines[0].split(' ');
    if (header[0] !== 'v1' || header.length !== 6) {
        session.error('backend file ' + name + ' is not well-formed');
        return null;
    }
    return { affinity: header[3], open: Number(header[4]), endpoints: lines.slice(1) };
}

// `<name>=<weight> <name>=<weight>`
function pick(targets) {
    const shares = targets.split(' ').map((share) => share.split('='));
    const total = shares.reduce((sum, share) => sum + Number(share[1]), 0);
    let place = Math.random() * total;
    for (let i = 0; i < shares.length; i++) {
        place -= Number(shares[i][1]);
        if (place < 0) {
            return shares[i][0];
        }
    }
    return '';
}

// FNV-1a, stirred so that every bit of the key reaches the high bits.
function hash(text) {
    let value = 0x811c9dc5;
    for (let i = 0; i < text.length; i++) {
        value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
    }
    value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
    return (value ^ (value >>> 16)) >>> 0;
}

// Rendezvous hashing: an endpoint that comes or goes moves only its own share of the clients.
function byClient(client, endpoints, open) {
    let best = 0;
    let chosen = '';
    for (let i = 0; i < open; i++) {
        const score = hash(client + ' ' + endpoints[i]);
        if (chosen === '' || score > best) {
            best = score;
            chosen = endpoints[i];
        }
    }
    return chosen;
}

// The listener's own targets, or those that its map has for the name that the client asked for. nginx sets variables before
// it reads that name, so the configuration can only say which map it is.
function targetsOf(variables) {
    return variables[variables.targets_map || 'targets'] || '';
}

// The endpoint's address. Empty closes the connection: there is no such host, or it has no endpoint.
function peer(session) {
    const name = pick(targetsOf(session.variables));
    const backend = name && read(session, name);
    if (!backend || backend.open === 0) {
        return '';
    }
    if (backend.affinity === 'client-ip') {
        return byClient(session.remoteAddress, backend.endpoints, backend.open);
    }
    return backend.endpoints[Math.floor(Math.random() * backend.open)];
}

export default { peer };
