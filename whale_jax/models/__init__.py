"""Networks: `Model(...)(x, train=...) -> (y, out)`, y the output and out the named intermediates."""

from whale_jax.models.inception import Inception
from whale_jax.models.resnet import ResNet
from whale_jax.models.stn import STN
from whale_jax.models.vgg import VGG
from whale_jax.runtime import registry

MODELS = registry.Registry("model", vgg=VGG, resnet=ResNet, inception=Inception, stn=STN)
register = MODELS.register
