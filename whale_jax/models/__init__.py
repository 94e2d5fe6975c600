"""Networks, and the contract that each of them keeps.

A model is a Flax module, `Model(outputs, dtype, ...)(x, train) -> (y, out)`. Whoever adds one writes a file, and names
it in MODELS or calls `models.register(name, Model)`; its other attributes are keys of `config.model`:

    outputs     length of y, which the task decides
    dtype       of activations, which `config.precision` names; parameters are float32
    x           (B, height, width, 3) float32 pictures
    train       whether dropout is on, and batch normalisation takes the statistics of the batch (True), or the network
                is a pure function of its variables and of each picture by itself (False)
    y           (B, outputs) float32
    out         a dictionary; "features" is (B, F) float32, the vector that stands for a picture, and the docstring of
                `__call__` names what else the dictionary has

Batch normalisation and `layers.Dropout` see the global batch on any number of devices (`layers.across`); the model does
nothing for it. tests/models/test_contract.py holds every model of MODELS to all of this.

A class may set two attributes without an annotation, so that they are no fields, or have them as properties:

    input_normalisation   how its pictures are normalised (tasks/inputs.py). "picture", where it sets none: each has
                          mean 0 and deviation 1. "imagenet": by the mean and deviation of ImageNet's channels.
                          "signed": (x - 127) / 128 of 8-bit values
    pretrained            {module of a file of released weights: module of this network} that such a file fills, by
                          timm's names (models/layouts.py)
"""

from whale_jax.models.efficientnet import EfficientNet
from whale_jax.models.inception import Inception
from whale_jax.models.resnet import ResNet
from whale_jax.models.stn import STN
from whale_jax.models.vgg import VGG
from whale_jax.runtime import registry

MODELS = registry.Registry("model", vgg=VGG, resnet=ResNet, inception=Inception, efficientnet=EfficientNet, stn=STN)
register = MODELS.register
