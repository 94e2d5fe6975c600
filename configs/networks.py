"""The post's networks, as arguments of whale_jax.models: (filters, depth) of each stage; inputs of 256 x 256 pixels.

`THIN` is our own, for pictures of about 128 x 128 and two CPU cores: a residual network that shrinks the picture to
a quarter before its first block and costs a tenth of ResNet-67.
"""

OXFORD = {"name": "vgg", "stages": ((32, 2), (64, 2), (128, 3), (256, 3)), "reduce": "maxpool", "head": "dense"}
ALIGNER = {
    "name": "vgg",
    "stem": (16, 7, 1),
    "stem_pool": 2,
    "stages": ((32, 3), (64, 3), (128, 3), (256, 3)),
    "dropout": 0.5,
}
VGG19_128 = {"name": "vgg", "stages": ((48, 3), (64, 3), (80, 4), (96, 4), (128, 4)), "dropout": 0.8}
RESNET31 = {"name": "resnet", "stages": ((48, 3), (64, 3), (80, 3), (96, 3), (128, 3)), "dropout": 0.5}
RESNET67 = {"name": "resnet", "stem_pool": 3, "stages": ((48, 3), (64, 4), (80, 23), (128, 3)), "dropout": 0.8}

THIN = {"name": "resnet", "stem": (16, 7, 2), "stem_pool": 3, "stages": ((32, 2), (64, 2), (128, 2)), "dropout": 0.0}
