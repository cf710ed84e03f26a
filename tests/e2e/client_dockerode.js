// Steps of client_dockerode.test, with dockerode from $NODE_PATH. NAME
const Docker = require('dockerode');
const { PassThrough } = require('stream');
const docker = new Docker({ socketPath: process.env.DAEMON_SOCKET });
const name = process.argv[2];

const collect = stream => { const parts = []; stream.on('data', part => parts.push(part)); return () => Buffer.concat(parts).toString(); };

async function main() {
  const out = new PassThrough(), read = collect(out);
  const [end] = await docker.run('busybox', ['sh', '-c', 'echo hello; exit 4'], out, { HostConfig: { NetworkMode: 'none', AutoRemove: true } });
  while (!read().endsWith('\n')) await new Promise(resolve => setImmediate(resolve)); // the wait and the output have connections of their own
  console.log(read().trim(), end.StatusCode);

  const events = await docker.getEvents({ filters: { label: ['suite=' + name] } });
  const seen = [];
  events.on('data', data => data.toString().split('\n').filter(Boolean).forEach(line => seen.push(JSON.parse(line).Action)));

  const container = await docker.createContainer({ name, Image: 'busybox', Cmd: ['sh', '-c', 'echo up; cat'], OpenStdin: true, Labels: { a: 'b', suite: name }, HostConfig: { NetworkMode: 'none', Memory: 64 << 20 } });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const stdout = new PassThrough(), attached = collect(stdout);
  container.modem.demuxStream(stream, stdout, stdout);
  await container.start();
  stream.write('typed\n');
  while (!attached().includes('typed')) await new Promise(resolve => setImmediate(resolve));
  console.log(JSON.stringify(attached()));

  const exec = await container.exec({ Cmd: ['sh', '-c', 'echo inside; exit 3'], AttachStdout: true, AttachStderr: true });
  const execStream = await exec.start({ hijack: true });
  const execOut = new PassThrough(), execRead = collect(execOut);
  container.modem.demuxStream(execStream, execOut, execOut);
  await new Promise(resolve => execStream.on('end', resolve));
  console.log(execRead().trim(), (await exec.inspect()).ExitCode);

  const info = await container.inspect();
  console.log(info.Name, info.State.Running, info.HostConfig.Memory, info.Config.Labels.a);
  const listed = await docker.listContainers({ filters: { label: ['a=b'], name: [name] } });
  console.log(listed.length, listed[0].Names[0]);
  const stats = await container.stats({ stream: false });
  console.log(stats.memory_stats.limit);
  console.log((await container.logs({ stdout: true })).slice(8).toString().trim().split('\n')[0]);

  await container.pause();
  await container.unpause();
  await container.rename({ name: name + '-2' });
  await container.stop({ t: 0 });
  console.log((await container.wait()).StatusCode);
  const archive = await container.getArchive({ path: '/etc/passwd' });
  archive.resume();
  await new Promise(resolve => archive.on('end', resolve));
  const image = await container.commit({ repo: name, tag: 'made' });
  console.log(image.Id.startsWith('sha256:'), (await docker.getImage(name + ':made').inspect()).RepoTags[0] === name + ':made');
  await docker.getImage(name + ':made').remove();
  await container.remove();
  try {
    await container.inspect();
  } catch (error) {
    console.log(error.statusCode, error.json.message === 'No such container: ' + container.id);
  }
  while (!seen.includes('destroy')) await new Promise(resolve => setTimeout(resolve, 10));
  events.destroy();
  console.log(['create', 'start', 'pause', 'unpause', 'rename'].every(action => seen.includes(action)));
}

main().then(() => process.exit(0), error => { console.error(error); process.exit(1); });
