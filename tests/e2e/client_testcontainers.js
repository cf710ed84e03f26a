// Steps of client_testcontainers.test, with testcontainers from $NODE_PATH.
const { GenericContainer, Wait } = require('testcontainers');

async function main() {
  const container = await new GenericContainer('busybox:latest')
    .withNetworkMode('none').withCommand(['sh', '-c', 'echo ready; sleep 1000']).withEnvironment({ COLOR: 'red' }).withLabels({ suite: 'hull' })
    .withCopyContentToContainer([{ content: 'copied', target: '/copied' }])
    .withWaitStrategy(Wait.forLogMessage('ready')).start();
  const result = await container.exec(['sh', '-c', 'echo $COLOR; cat /copied; exit 5']);
  console.log(JSON.stringify(result.output), result.exitCode);
  const shell = await new GenericContainer('busybox:latest').withNetworkMode('none').withCommand(['sleep', '1000']).withWaitStrategy(Wait.forSuccessfulCommand('test -d /etc')).start();
  console.log(shell.getName().length > 0);
  await shell.stop({ timeout: 0 });
  await container.restart({ timeout: 0 });
  await container.stop({ timeout: 0 });
}

main().then(() => { console.log('stopped'); process.exit(0); }, error => { console.error(error); process.exit(1); });
