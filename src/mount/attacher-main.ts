/**
 * Entry point of the process that makes kernel calls which wait for the server: attaching and mounting read the image.
 * It does not hold the FUSE device, so that it can always be ended: when the server is gone, its reads fail.
 */
import { attachBlock, handOver, placeDevice, warm } from './block.js';
import { mountOverlay } from './overlay.js';
import { recordOf, type FromAttacher, type ToAttacher } from './messages.js';
import { takeOut } from './take-out.js';

/** The supervisor passes the detached FUSE mount as this descriptor. */
const FUSE_MOUNT_DESCRIPTOR = 3;

async function act(message: ToAttacher): Promise<FromAttacher> {
  try {
    switch (message.type) {
      case 'attach':
        return { type: 'done', devices: attachBlock(`/proc/self/fd/${FUSE_MOUNT_DESCRIPTOR}`, message) };
      case 'place':
        placeDevice(message.device, message.target);
        return { type: 'done' };
      case 'warm':
        await warm(message.device, message.size);
        return { type: 'done' };
      case 'hand-over':
        handOver(message.devices, message.path, message.readAhead);
        return { type: 'done' };
      case 'overlay':
        mountOverlay(message.target, message.options);
        return { type: 'done' };
      case 'detach':
        takeOut(message.target, true);
        return { type: 'done' };
    }
  } catch (error) {
    return { type: 'failed', error: recordOf(error) };
  }
}

process.on('disconnect', () => { process.exit(1); });
if (!process.connected) process.exit(1);
process.once('message', (message: ToAttacher) => {
  void act(message).then((result) => { process.send?.(result, () => { process.exit(0); }); });
});
